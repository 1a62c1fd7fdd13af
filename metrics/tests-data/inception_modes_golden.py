"""Makes inception_modes_golden.npz: FID Inception features as pytorch-fid, StudioGAN and clean-fid preprocess.

    inception_modes_golden.py MADE0.pth inception_golden.npz OUT.npz      (needs pytorch-fid, clean-fid, torch, pillow<13)

MADE0.pth: the made weights of seed 0 (the formula of metrics/src/weights/made.rs) under the published file's keys, as
torch.save writes them. pytorch_fid, studiogan, clean_fid: f32 [4, 512], every fourth of the 2048 features of the images `arr_0`.
pytorch_fid_64, _192, _768: f32 [4, d], what pytorch-fid's `--dims d` takes: the means of its blocks 0, 1 and 2.
"""
import sys
import numpy as np, torch, PIL, pytorch_fid.inception as pf
from cleanfid.resize import build_resizer, make_resizer

weights, images, out = sys.argv[1:]
pf.load_state_dict_from_url = lambda *a, **k: torch.load(weights, weights_only=True)
images = np.load(images)["arr_0"]


def features(x, **options):
    with torch.no_grad():
        return pf.InceptionV3([3], **options).eval()(x)[0][:, ::4, 0, 0].numpy()


def tapped(x, dims):
    # As pytorch_fid.fid_score.get_activations pools the blocks before the last.
    with torch.no_grad():
        block = pf.InceptionV3([pf.InceptionV3.BLOCK_INDEX_BY_DIM[dims]]).eval()(x)[0]
        return torch.nn.functional.adaptive_avg_pool2d(block, output_size=(1, 1))[:, :, 0, 0].numpy()


planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
resize = build_resizer("clean")
clean = torch.from_numpy(np.stack([resize(x).transpose(2, 0, 1) for x in images]))
bilinear = make_resizer("PIL", False, "bilinear", (299, 299))  # StudioGAN's `friendly` resizer is this function
studiogan = torch.from_numpy(np.stack([bilinear(x).transpose(2, 0, 1) for x in images]))
np.savez_compressed(out, studiogan=features((studiogan / 255.0 - 0.5) / 0.5, resize_input=False, normalize_input=False),
                    pytorch_fid=features(planes / 255),
                    clean_fid=features((clean - 128) / 128, resize_input=False, normalize_input=False),
                    **{f"pytorch_fid_{dims}": tapped(planes / 255, dims) for dims in (64, 192, 768)})
print("torch", torch.__version__, "pillow", PIL.__version__)
