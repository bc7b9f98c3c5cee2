"""What a file is, by its first bytes: only what is known here is decoded, and by the decoder that is named here."""

from collections.abc import Callable
from dataclasses import dataclass

from backend import Modality
from handlers.media.limits import MediaError

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Format:
    """name: as people call it. decoder: what Pillow, or FFmpeg for sound and film, calls it.

    modalities: what can be read from it. types: second parts of the media types under which it is sent.
    """

    name: str
    decoder: str
    modalities: frozenset[Modality]
    types: frozenset[str]


def _picture(name: str, types: str, *, film: bool = False) -> Format:
    modalities: frozenset[Modality] = frozenset({"image", "video"} if film else {"image"})
    return Format(name, name.upper(), modalities, frozenset(types.split()))


def _sound(name: str, decoder: str, types: str) -> Format:
    return Format(name, decoder, frozenset({"audio"}), frozenset(types.split()))


def _film(name: str, decoder: str, types: str) -> Format:
    return Format(name, decoder, frozenset({"audio", "video"}), frozenset(types.split()))


PNG, JPEG = _picture("PNG", "png apng x-png vnd.mozilla.apng"), _picture("JPEG", "jpeg jpg pjpeg")
GIF, WEBP = _picture("GIF", "gif", film=True), _picture("WebP", "webp")
BMP, TIFF, AVIF = _picture("BMP", "bmp x-bmp x-ms-bmp"), _picture("TIFF", "tiff tif"), _picture("AVIF", "avif")
WAV = _sound("WAV", "wav", "wav wave x-wav x-pn-wav vnd.wave")
AIFF = _sound("AIFF", "aiff", "aiff aif x-aiff")
MP3 = _sound("MP3", "mp3", "mpeg mp3 mpeg3 x-mp3 x-mpeg x-mpeg-3 mpg")
AAC = _sound("AAC", "aac", "aac aacp x-aac x-hx-aac-adts")
FLAC = _sound("FLAC", "flac", "flac x-flac")
AMR = _sound("AMR", "amr", "amr amr-wb 3gpp")
CAF = _sound("CAF", "caf", "x-caf caf")
OGG = _film("Ogg", "ogg", "ogg opus vorbis oga ogv x-ogg")
MP4 = _film("MP4 or MOV", "mov", "mp4 m4a m4v x-m4a x-m4v mp4a-latm aac quicktime mov 3gpp 3gpp2 alac")
MATROSKA = _film("Matroska or WebM", "matroska", "webm x-matroska matroska mkv")
AVI = _film("AVI", "avi", "avi x-msvideo msvideo vnd.avi")
TRANSPORT = _film("MPEG-TS", "mpegts", "mp2t mpegts")

FORMATS = (
    *(PNG, JPEG, GIF, WEBP, BMP, TIFF, AVIF),
    *(WAV, AIFF, MP3, AAC, FLAC, AMR, CAF, OGG, MP4, MATROSKA, AVI, TRANSPORT),
)
_OPAQUE = frozenset({"application/octet-stream", "binary/octet-stream", ""})
_KINDS: dict[Modality, tuple[str, ...]] = {
    "image": ("image",),
    "audio": ("audio", "video", "application"),
    "video": ("video", "audio", "application"),
}
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""What an MP4 or MOV file may begin with; those without ftyp are of old cameras."""


def sniff(head: bytes) -> Format | None:
    """The format of a file that begins with these bytes, up to HEAD_BYTES of them."""
    return next((format for format, matches in _SIGNS if matches(head)), None)


def format_of(data: bytes | memoryview, modality: Modality, media_type: str | None = None) -> Format:
    """The format of a file. Raises MediaError where none is known that can be `modality`, or its bytes are no
    `media_type`, where that is given."""
    head = bytes(data[:HEAD_BYTES])
    found = sniff(head)
    if found is None:
        begins = f"its bytes begin with {head[:12]!r}" if head else "it has no bytes"
        raise MediaError(f"is in no format that is known here: {begins}; {_known(modality)}")
    if media_type is not None and not _means(media_type.lower(), found, modality):
        raise MediaError(f"says that it is {media_type[:60]}, but its bytes are {found.name}; correct one of them")
    if modality not in found.modalities:
        raise MediaError(f"is {found.name}, which cannot be taken as {modality}; {_known(modality)}")
    return found


def _known(modality: Modality) -> str:
    return f"{modality} may be {', '.join(format.name for format in FORMATS if modality in format.modalities)}"


def _means(media_type: str, format: Format, modality: Modality) -> bool:
    kind, _, second = media_type.partition("/")
    return media_type in _OPAQUE or (second in format.types and (kind in format.modalities or kind in _KINDS[modality]))


def _begins(*prefixes: bytes, at: int = 0) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(prefixes, at)


def _chunked(kinds: tuple[bytes, ...], form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(kinds) and head[8:12] == form


def _is_avif(head: bytes) -> bool:
    size = int.from_bytes(head[:4])
    brands = head[8:12] + head[16 : min(size, HEAD_BYTES)]
    return head[4:8] == b"ftyp" and any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4))


def _is_mpeg_audio(head: bytes) -> bool:
    """Layer 1 to 3, behind ID3 or with a first header that is none of its reserved values."""
    if head.startswith(b"ID3"):
        return True
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate, frequency = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and rate not in (0, 15) and frequency != 3


def _is_adts(head: bytes) -> bool:
    return len(head) > 3 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13


def _is_transport(head: bytes) -> bool:
    return head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G"


_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}
_SIGNS: tuple[tuple[Format, Callable[[bytes], bool]], ...] = (
    (PNG, _begins(b"\x89PNG\r\n\x1a\n")),
    (JPEG, _begins(b"\xff\xd8\xff")),
    (GIF, _begins(b"GIF87a", b"GIF89a")),
    (WEBP, _chunked((b"RIFF",), b"WEBP")),
    (TIFF, _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (AVIF, _is_avif),
    (WAV, _chunked((b"RIFF", b"RF64"), b"WAVE")),
    (AVI, _chunked((b"RIFF",), b"AVI ")),
    (AIFF, lambda head: head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC")),
    (FLAC, _begins(b"fLaC")),
    (AMR, _begins(b"#!AMR")),
    (CAF, _begins(b"caff\0\1")),
    (OGG, _begins(b"OggS")),
    (MP4, _begins(*_BOXES, at=4)),
    (MATROSKA, _begins(b"\x1aE\xdf\xa3")),
    (TRANSPORT, _is_transport),
    (AAC, _is_adts),
    (MP3, _is_mpeg_audio),
    (BMP, lambda head: head.startswith(b"BM") and len(head) > 26 and head[14:18] in _BMP_HEADERS),
)
