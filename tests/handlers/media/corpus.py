"""Files of every format, made here: pictures of four colours, tones, and films whose frames count."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageCms

WIDTH, HEIGHT = 64, 48
RED, GREEN, BLUE, YELLOW = (220, 30, 40), (20, 180, 60), (30, 60, 200), (230, 210, 40)
COLOURS = (RED, GREEN, BLUE, YELLOW)
TONE = 440.0
FRAMES, RATE = 24, 12


def quadrants():
    """Red and green above, blue and yellow below."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    top, left = HEIGHT // 2, WIDTH // 2
    pixels[:top, :left], pixels[:top, left:], pixels[top:, :left], pixels[top:, left:] = COLOURS
    return Image.fromarray(pixels)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def centres(pixels):
    """The colours in the middles of the four quadrants."""
    height, width, _ = pixels.shape
    return [tuple(map(int, pixels[y, x])) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def grey(colour):
    """What a picture without colours makes of one (ITU-R 601, as everywhere)."""
    return (round(np.dot(colour, (0.299, 0.587, 0.114))),) * 3


def turned(orientation):
    """The quadrants stored so that EXIF's `orientation` makes them upright."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = quadrants()
    return image.transpose(back[orientation]) if orientation in back else image


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes()


def over_white():
    """The quadrants with the left half transparent."""
    image = quadrants().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, WIDTH // 2, HEIGHT))
    return image


def lab():
    """The quadrants in the space Lab."""
    profiles = [ImageCms.createProfile(name) for name in ("sRGB", "LAB")]
    return ImageCms.profileToProfile(quadrants(), *profiles, outputMode="LAB")


def deep():
    """16 bits of grey, from the quadrants'."""
    return Image.fromarray(np.asarray(quadrants().convert("L")).astype(np.uint16) * 257)


def sharp():
    """Black and white only."""
    return quadrants().convert("L").point(lambda value: 255 * (value > 90)).convert("1", dither=Image.Dither.NONE)


PLAIN = list(COLOURS)
GREYS = [grey(colour) for colour in COLOURS]
SHARP = [tuple([255 * (value > 90)] * 3) for value, *_ in GREYS]
WHITE = (255, 255, 255)
HALF = [WHITE, GREEN, WHITE, YELLOW]
HALF_GREY = [WHITE, GREYS[1], WHITE, GREYS[3]]


def pictures():
    """name -> (bytes, media type, the four colours, how far they may be off)."""
    image = quadrants()
    palette, other = image.quantize(8), Image.new("RGB", image.size, "black")
    found = {
        **{
            f"JPEG, orientation {o}": (saved(turned(o), "JPEG", quality=95, exif=exif(o)), "jpeg", PLAIN, 8)
            for o in range(1, 9)
        },
        "JPEG, progressive": (saved(image, "JPEG", quality=95, progressive=True), "jpeg", PLAIN, 8),
        "JPEG, grey": (saved(image.convert("L"), "JPEG", quality=95), "jpeg", GREYS, 8),
        "JPEG, CMYK": (saved(image.convert("CMYK"), "JPEG", quality=95), "jpeg", PLAIN, 8),
        "JPEG, 4:4:4": (saved(image, "JPEG", quality=95, subsampling=0), "jpg", PLAIN, 8),
        "PNG": (saved(image, "PNG"), "png", PLAIN, 0),
        "PNG, orientation": (saved(turned(6), "PNG", exif=exif(6)), "png", PLAIN, 0),
        "PNG, alpha": (saved(over_white(), "PNG"), "png", HALF, 0),
        "PNG, palette": (saved(palette, "PNG"), "png", PLAIN, 4),
        "PNG, palette with alpha": (saved(over_white().quantize(8), "PNG"), "png", HALF, 4),
        "PNG, one colour transparent": (saved(image, "PNG", transparency=RED), "png", [WHITE, GREEN, BLUE, YELLOW], 0),
        "PNG, grey": (saved(image.convert("L"), "PNG"), "png", GREYS, 1),
        "PNG, grey with alpha": (saved(over_white().convert("LA"), "PNG"), "png", HALF_GREY, 1),
        "PNG, 16 bits": (saved(deep(), "PNG"), "png", GREYS, 1),
        "PNG, black and white": (saved(sharp(), "PNG"), "png", SHARP, 0),
        "PNG, animated": (saved(image, "PNG", save_all=True, append_images=[other]), "apng", PLAIN, 0),
        "WebP": (saved(image, "WEBP", quality=95), "webp", PLAIN, 24),
        "WebP, lossless": (saved(image, "WEBP", lossless=True), "webp", PLAIN, 0),
        "WebP, alpha": (saved(over_white(), "WEBP", lossless=True, exact=True), "webp", HALF, 0),
        "WebP, animated": (saved(image, "WEBP", lossless=True, save_all=True, append_images=[other]), "webp", PLAIN, 0),
        "WebP, orientation": (saved(turned(8), "WEBP", lossless=True, exif=exif(8)), "webp", PLAIN, 0),
        "GIF": (saved(palette, "GIF"), "gif", PLAIN, 4),
        "GIF, transparent": (saved(over_white(), "GIF"), "gif", HALF, 8),
        "GIF, animated": (saved(image, "GIF", save_all=True, append_images=[other], duration=100), "gif", PLAIN, 8),
        "AVIF": (saved(image, "AVIF", quality=95), "avif", PLAIN, 12),
        "AVIF, alpha": (saved(over_white(), "AVIF", quality=95), "avif", HALF, 12),
        "AVIF, orientation": (saved(turned(6), "AVIF", quality=95, exif=exif(6)), "avif", PLAIN, 12),
        "TIFF": (saved(image, "TIFF"), "tiff", PLAIN, 0),
        "TIFF, LZW": (saved(image, "TIFF", compression="tiff_lzw"), "tiff", PLAIN, 0),
        "TIFF, deflate": (saved(image, "TIFF", compression="tiff_adobe_deflate"), "tiff", PLAIN, 0),
        "TIFF, JPEG": (saved(image, "TIFF", compression="jpeg", quality=95), "tiff", PLAIN, 12),
        "TIFF, CMYK": (saved(image.convert("CMYK"), "TIFF"), "tiff", PLAIN, 1),
        "TIFF, Lab": (saved(lab(), "TIFF"), "tiff", PLAIN, 12),
        "TIFF, 16 bits": (saved(deep(), "TIFF"), "tiff", GREYS, 1),
        "TIFF, pages": (saved(image, "TIFF", save_all=True, append_images=[other]), "tiff", PLAIN, 0),
        "TIFF, BigTIFF": (saved(image, "TIFF", big_tiff=True), "tiff", PLAIN, 0),
        "TIFF, fax": (saved(sharp(), "TIFF", compression="group4"), "tiff", SHARP, 0),
        "BMP": (saved(image, "BMP"), "bmp", PLAIN, 0),
        "BMP, palette": (saved(palette, "BMP"), "x-ms-bmp", PLAIN, 4),
        "BMP, grey": (saved(image.convert("L"), "BMP"), "bmp", GREYS, 1),
    }  # fmt: skip
    return {name: (data, f"image/{kind}", colours, off) for name, (data, kind, colours, off) in found.items()}


def sound(container, codec, rate, layout="mono", seconds=1.0):
    """A tone at half of full scale in the first channel, silence in the others, as a file."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        write_tone(out, stream, rate, layout, seconds)
    return file.getvalue()


def write_tone(out, stream, rate, layout, seconds):
    count = av.AudioLayout(layout).nb_channels
    samples = np.zeros((count, int(rate * seconds)), np.float32)
    samples[0] = 0.5 * np.sin(2 * np.pi * TONE * np.arange(samples.shape[1]) / rate)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = rate
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        if packet.size:  # FLAC's last one only corrects the header
            out.mux(packet)


SOUNDS = {
    # container, codec, rate, layout, media type
    "WAV, 16 bits": ("wav", "pcm_s16le", 16_000, "mono", "wav"),
    "WAV, stereo": ("wav", "pcm_s16le", 44_100, "stereo", "x-wav"),
    "WAV, 8 bits": ("wav", "pcm_u8", 8_000, "mono", "wave"),
    "WAV, 24 bits": ("wav", "pcm_s24le", 96_000, "stereo", "vnd.wave"),
    "WAV, floats": ("wav", "pcm_f32le", 48_000, "5.1", "wav"),
    "WAV, A-law": ("wav", "pcm_alaw", 8_000, "mono", "wav"),
    "AIFF": ("aiff", "pcm_s16be", 22_050, "stereo", "aiff"),
    "CAF": ("caf", "alac", 44_100, "stereo", "x-caf"),
    "MP3": ("mp3", "libmp3lame", 44_100, "stereo", "mpeg"),
    "MP3, 16 kHz": ("mp3", "libmp3lame", 16_000, "mono", "mp3"),
    "AAC": ("adts", "aac", 44_100, "stereo", "aac"),
    "M4A": ("ipod", "aac", 48_000, "stereo", "mp4"),
    "M4A, lossless": ("ipod", "alac", 44_100, "stereo", "m4a"),
    "Opus in Ogg": ("ogg", "libopus", 48_000, "stereo", "ogg"),
    "Opus in WebM": ("webm", "libopus", 48_000, "mono", "webm"),
    "Vorbis in Ogg": ("ogg", "vorbis", 44_100, "stereo", "vorbis"),
    "FLAC": ("flac", "flac", 44_100, "stereo", "flac"),
    "FLAC in Ogg": ("ogg", "flac", 44_100, "mono", "ogg"),
    "AMR": ("amr", "libopencore_amrnb", 8_000, "mono", "amr"),
    "Matroska": ("matroska", "pcm_s16le", 32_000, "stereo", "x-matroska"),
}


def frame_colour(index):
    """The grey and the red of frame `index` of every film."""
    return 40 + 7 * index, 200 - 5 * index


def film(container, codec, pixels="yuv420p", options=(), with_sound=None, times=None, count=FRAMES, size=(0, 0)):
    """Frames of WIDTH x HEIGHT, or `size`, at RATE, each of its own grey on the left and red on the right."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE, options=dict(options))
        width, height = size if any(size) else (WIDTH, HEIGHT)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
        heard = out.add_stream(with_sound, rate=48_000, layout="mono") if with_sound else None
        for index in range(count):
            grey_, red = frame_colour(index)
            image = np.zeros((height, width, 3), np.uint8)
            image[:, : width // 2], image[:, width // 2 :] = grey_, (red, 0, 0)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if heard is not None:
            write_tone(out, heard, 48_000, "mono", FRAMES / RATE)
    return file.getvalue()


QUICK = {"preset": "ultrafast"}
X265 = {**QUICK, "x265-params": "log-level=none:pools=1"}
OPEN = {"x264-params": "open-gop=1:keyint=6:bframes=3"}
FILMS = {
    # container, codec, pixels, options, sound, media type
    "MP4, H.264": ("mp4", "libx264", "yuv420p", {}, "aac", "mp4"),
    "MP4, H.264 with short runs": ("mp4", "libx264", "yuv420p", {"g": "5", "bf": "2"}, None, "mp4"),
    "MP4, H.264 with open runs": ("mp4", "libx264", "yuv420p", OPEN, None, "mp4"),
    "MP4, H.265": ("mp4", "libx265", "yuv420p", X265, "aac", "mp4"),
    "MP4, AV1": ("mp4", "libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "lp=1"}, None, "mp4"),
    "MP4, MPEG-4": ("mp4", "mpeg4", "yuv420p", {"b": "2000k"}, None, "mp4"),
    "MOV, H.264": ("mov", "libx264", "yuv420p", {}, "pcm_s16le", "quicktime"),
    "MOV, ProRes": ("mov", "prores_ks", "yuv422p10le", {}, None, "quicktime"),
    "MOV, Motion JPEG": ("mov", "mjpeg", "yuvj420p", {}, None, "mov"),
    "WebM, VP8": ("webm", "libvpx", "yuv420p", {"b": "2000k"}, "libopus", "webm"),
    "WebM, VP8 with hidden frames": (
        "webm", "libvpx", "yuv420p", {"b": "2000k", "auto-alt-ref": "1", "lag-in-frames": "16"}, None, "webm",
    ),
    "WebM, VP9": ("webm", "libvpx-vp9", "yuv420p", {"b": "2000k", "cpu-used": "8"}, "libopus", "webm"),
    "WebM, AV1": ("webm", "libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "lp=1"}, None, "webm"),
    "MKV, H.264": ("matroska", "libx264", "yuv420p", QUICK, "flac", "x-matroska"),
    "MKV, H.265": ("matroska", "libx265", "yuv420p", X265, None, "matroska"),
    "MKV, FFV1": ("matroska", "ffv1", "yuv444p", {}, None, "x-matroska"),
    "MPEG-TS, H.264": ("mpegts", "libx264", "yuv420p", QUICK, "aac", "mp2t"),
    "AVI, Motion JPEG": ("avi", "mjpeg", "yuvj420p", {}, "pcm_s16le", "x-msvideo"),
    "GIF": ("gif", "gif", "rgb8", {}, None, "gif"),
}  # fmt: skip
