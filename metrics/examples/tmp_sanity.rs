use ganbench_metrics::*;
use ganbench_nn::images::*;
use ganbench_nn::rng::Stream;
fn load_set(s: &str, n: usize) -> ImageBatch {
    let x = std::fs::read(format!("/tmp/small/cifar10-{s}.x")).unwrap();
    ImageBatch::new(ImageSize::new(32,32,3), x, None, None).unwrap().take(n)
}
fn blur(b: &ImageBatch, r: isize) -> ImageBatch {
    let mut o = b.clone();
    for i in 0..b.len() { let im = b.image(i); for y in 0..32isize { for x in 0..32isize { for c in 0..3 {
        let mut s = 0usize; let mut n = 0;
        for dy in -r..=r { for dx in -r..=r { let (yy,xx)=(y+dy,x+dx); if (0..32).contains(&yy)&&(0..32).contains(&xx) { s += im[((yy*32+xx)*3+c) as usize] as usize; n+=1; } } }
        o.pixels[i*3072+((y*32+x)*3+c) as usize] = (s as f64/n as f64).round() as u8;
    }}}} o
}
fn map(b: &ImageBatch, mut f: impl FnMut(usize,u8)->f64) -> ImageBatch { let mut o=b.clone(); for (i,p) in o.pixels.iter_mut().enumerate(){ *p=f(i,*p).round().clamp(0.,255.) as u8;} o }
fn main() {
    let source = WeightsSource::Published { file: std::env::args().nth(1).map(Into::into), variable: None, download: false };
    let (train, test) = (load_set("train", 5000), load_set("test", 5000));
    for batch in [16, 32, 64, 128, 256] {
        let e = load_with("small-cifar10", &source, &ExtractorOptions{batch, ..Default::default()}).unwrap();
        let t = std::time::Instant::now(); e.extract(&test, &mut |_,_|{}).unwrap();
        println!("batch {batch}: {:.0} img/s", 5000.0/t.elapsed().as_secs_f64());
    }
    let e = load("small-cifar10", &source).unwrap();
    let f = e.extract(&train, &mut |_,_|{}).unwrap();
    let real = RealReference::new(&f, 5000).unwrap();
    let s = Statistics::of(f.pool_rows()).unwrap();
    let mut v: Vec<f64> = (0..s.dim()).map(|i| s.covariance()[i*s.dim()+i].sqrt()).collect(); v.sort_by(f64::total_cmp);
    println!("feature std: min {:.4} median {:.4} max {:.4}; negative share {:.3}", v[0], v[v.len()/2], v[v.len()-1], f.pool().iter().filter(|v| **v<0.0).count() as f64/f.pool().len() as f64);
    let mut st = Stream::new(0,"sanity");
    let sets = vec![
        ("real test", test.clone()),
        ("shifted colour +-10", map(&test, |i,p| p as f64 + [10.,0.,-10.][i%3])),
        ("shifted colour +-40", map(&test, |i,p| p as f64 + [40.,0.,-40.][i%3])),
        ("noise +-20", { let n = st.uniforms(test.pixels.len(), -20., 20.); map(&test, |i,p| p as f64 + n[i] as f64)}),
        ("noise +-60", { let n = st.uniforms(test.pixels.len(), -60., 60.); map(&test, |i,p| p as f64 + n[i] as f64)}),
        ("blur 3x3", blur(&test,1)), ("blur 5x5", blur(&test,2)), ("blur 9x9", blur(&test,4)),
        ("one class in ten (first 500 of one label x10)", { let y=std::fs::read("/tmp/small/cifar10-test.y").unwrap(); let r:Vec<usize>=(0..5000).filter(|&i| y[i]==3).cycle().take(5000).collect(); test.select(&r)}),
        ("uniform noise", { let n = st.uniforms(test.pixels.len(), 0., 256.); map(&test, |i,_| n[i].floor() as f64)}),
        ("grey 128", map(&test, |_,_| 128.0)),
    ];
    for (name, set) in sets {
        let f = e.extract(&set, &mut |_,_|{}).unwrap();
        let r = evaluate(EvaluationInput{real:&real,fake:&f,extractor:"small-cifar10",metrics:None,settings:Settings::default()});
        match r { Ok(r)=>println!("{name:<48} {}", r.iter().map(|v| format!("{:?}", v)).collect::<Vec<_>>().join(" ").replace("MetricValue","")), Err(e)=>println!("{name}: {e}") }
    }
}
