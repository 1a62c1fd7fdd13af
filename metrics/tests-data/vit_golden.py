"""Makes vit_golden.json: features of small vision transformers by the `transformers` package.

    vit_golden.py OUT.json          (needs transformers, torch, torchvision, pillow<13)

Tensor `key` (as files name it), flat index i: 8 * ((2u - 1) * 0.1 rounded to f32), where u is that of the made weights of
seed 0 (metrics/src/weights/made.rs). Pixel i of an image (row-major over [h, w, c]) is the top byte of
i * 0x9E3779B97F4A7C15 mod 2^64. `dinov2`: width 24, 2 blocks, 3 heads, images as dgm-eval reads them (224x224), positions
resized as facebookresearch/dinov2 does, the class token after the last norm. `clip`: the same sizes at 56x56, 10 features,
images as cmmd-pytorch reads them, embeddings divided by their length. `keys` are the files' names and shapes.
"""
import json, sys, tempfile
import numpy as np, torch, transformers, PIL
import torchvision.transforms as T
from PIL import Image
from safetensors import safe_open
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, Dinov2Config, Dinov2Model

SIZES = [(32, 32, 3), (300, 200, 3), (28, 28, 1), (57, 224, 3)]
U64 = 2**64 - 1


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & U64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & U64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & U64
    return x ^ (x >> 31)


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = ((h ^ b) * 0x100000001B3) & U64
    return h


def made(key, shape):
    base = fnv1a64(key) ^ splitmix64(0)
    u = np.array([(splitmix64((base + i) & U64) >> 11) * 2.0**-53 for i in range(int(np.prod(shape)))])
    return torch.from_numpy(((2 * u - 1) * 0.1).astype(np.float32) * np.float32(8)).reshape(shape)


def image(h, w, c):
    with np.errstate(over="ignore"):
        x = np.arange(h * w * c, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x >> np.uint64(56)).astype(np.uint8).reshape(h, w, c)
    return Image.fromarray(x[:, :, 0] if c == 1 else x)


def fill(model, renamed):
    """Gives the model its made weights; returns the names and shapes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        file = safe_open(folder + "/model.safetensors", "pt")
        shapes = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}
    weights = {}
    for key, shape in shapes.items():
        name = key
        for old, new in renamed:
            name = name.replace(old, new)
        weights[name] = made(key, shape)
    model.load_state_dict(weights)
    return shapes


def original_positions(self, embeddings, height, width):
    places, n = self.position_embeddings[:, 1:], int(round((self.position_embeddings.shape[1] - 1) ** 0.5))
    scale = ((height // 14 + 0.1) / n, (width // 14 + 0.1) / n)
    grid = places.reshape(1, n, n, -1).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, scale_factor=scale, mode="bicubic")
    assert grid.shape[-2:] == (height // 14, width // 14)
    return torch.cat((self.position_embeddings[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, places.shape[-1])), 1)


def dinov2():
    model = Dinov2Model(Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=4, image_size=518,
                                     patch_size=14, layer_norm_eps=1e-6)).eval()
    keys = fill(model, [("attention.attention.query", "attention.q_proj"), ("attention.attention.key", "attention.k_proj"),
                        ("attention.attention.value", "attention.v_proj"), ("attention.output.dense", "attention.o_proj")])
    type(model.embeddings).interpolate_pos_encoding = original_positions
    transform = T.Compose([T.Resize((224, 224), T.InterpolationMode.BICUBIC), T.ToTensor(),
                           T.Normalize(np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))])
    x = torch.stack([transform(image(*size).convert("RGB")) for size in SIZES])
    return keys, model(x).last_hidden_state[:, 0]


def clip():
    side = 56
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(hidden_size=24, intermediate_size=96, projection_dim=10, num_hidden_layers=2,
                                                           num_attention_heads=3, image_size=side, patch_size=14)).eval()
    keys = fill(model, [])
    x = []
    for size in SIZES:
        im = image(*size)
        l = min(im.size)
        left, top = (im.size[0] - l) // 2, (im.size[1] - l) // 2
        a = np.asarray(im.crop((left, top, left + l, top + l)).resize((side, side), resample=Image.BICUBIC)).astype(np.float32)
        a = (a if a.ndim == 3 else np.tile(a[..., None], (1, 1, 3))) / 255.0
        mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
        std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
        x.append(torch.from_numpy((a - mean) / std).permute(2, 0, 1))
    y = model(torch.stack(x)).image_embeds
    return keys, y / torch.linalg.norm(y, axis=-1, keepdims=True)


out = {"sizes": SIZES}
with torch.no_grad():
    for name, (keys, features) in {"dinov2": dinov2(), "clip": clip()}.items():
        print(name, features.abs().mean().item(), features.std(0).mean().item())
        out[name] = {"keys": keys, "features": [[float(f"{v:.8g}") for v in row] for row in features.tolist()]}
with open(sys.argv[1], "w") as file:
    json.dump(out, file)
    file.write("\n")
print("transformers", transformers.__version__, "torch", torch.__version__, "pillow", PIL.__version__)
