"""Every reason to leave a photo out, worded to be counted, with what usually causes it and the mend."""

NO_GPS = "no GPS position in EXIF"
NO_COORDINATES = "no coordinates"
BAD_COORDINATES = "coordinates are not numbers in degrees"
AT_ZERO = "position 0°, 0°: the camera had none"
OUTSIDE = "position outside the Earth"

UNDECODABLE = "cannot be decoded"
TRUNCATED = "truncated: the end of the file is missing"
TOO_SMALL = "smaller than {px} px"
TOO_MANY_PIXELS = "too many pixels: more than 178 million"
FILE_TOO_LARGE = "larger than 256 MiB"
RECORD_TOO_LARGE = "record larger than 64 MiB"
UNREADABLE = "cannot be read"
NO_HEIC = "HEIC photo, and pillow-heif is not installed"
NO_AVIF = "AVIF photo, and this Pillow cannot decode it"
RAW = "raw camera file"
VIDEO = "a video, not a photo"
NOT_A_PHOTO = "not a photo"

NO_IMAGE = "no image"
NO_FILE = "file not found"
LISTED_TWICE = "listed twice"
LONG_NAME = "a name of over 1,024 characters"
NO_JSON = "no .json beside it in the archive"
SECOND_PHOTO = "a second photo of this name beside one .json"
LINKED_FOLDER = "a link to a folder is not followed"
NO_PICTURE = "a .json without its photo in the archive"
BAD_JSON = "its .json cannot be read"
NO_LABEL = "not in the table of labels"
DAMAGED = "the file is damaged from here on"
DAMAGED_BYTES = "damaged bytes between its records"
CUT_OFF = "the file is cut off here"
NO_RECORD = "in the table of labels, but in no shard"
BAD_RECORD = "not a record of a photo"

WHY = {
    NO_GPS: "messengers, social networks and many editors strip it; or location was off for the camera, or there was "
    "no fix indoors. Take the original files from the phone, or write a CSV file of their positions",
    NO_COORDINATES: "its row or record has no latitude or longitude: fill them in, or leave the photo out",
    BAD_COORDINATES: "write degrees as 52.5083, 52,5083 or 52°30'30\"N; spreadsheets may have made dates of them",
    AT_ZERO: "the camera wrote zeros before its first fix; nobody took these in the Gulf of Guinea",
    OUTSIDE: "latitude reaches from -90 to 90 and longitude from -180 to 180: the columns may be swapped, or be metres "
    "of a map projection: convert them to WGS 84",
    UNDECODABLE: "damaged, or another kind of file under a photo's name: does a picture viewer open it?",
    TRUNCATED: "the copy or the download was interrupted: copy the file again",
    TOO_SMALL: "thumbnails and icons: find the originals",
    TOO_MANY_PIXELS: "a panorama or a scan, or a file made to fill the memory: scale it down",
    FILE_TOO_LARGE: "no photo is that large; is it a video or an archive?",
    RECORD_TOO_LARGE: "no photo is that large: the length in the file is damaged, or the photo is not compressed",
    UNREADABLE: "the file vanished meanwhile, or may not be read by you: see its permissions and the disk",
    NO_HEIC: "install it: pip install 'geotune[heic]'",
    NO_AVIF: "update Pillow: pip install -U pillow",
    RAW: "convert it to JPEG first, with its EXIF: exiftool, darktable and the camera's own program do that",
    VIDEO: "save frames of it as JPEG and write a CSV file of their positions",
    NOT_A_PHOTO: "photos are .jpg, .png, .webp, .tif, .heic, .avif and .bmp files",
    NO_IMAGE: "its row or record names no image or holds none: the photo was lost when the file was made",
    NO_FILE: "names count from the table's own folder, or from --images FOLDER; case matters",
    LISTED_TWICE: "the first one counts; two rows for one photo that disagree need your decision",
    LONG_NAME: "it is no name but damage, or a whole address: shorten it",
    NO_JSON: "a WebDataset keeps name.jpg and name.json next to each other; if the photos have GPS in EXIF, unpack the "
    "archive and import the folder",
    NO_PICTURE: "a WebDataset keeps name.jpg and name.json next to each other; photos are .jpg, .jpeg, .png and .webp",
    SECOND_PHOTO: "the first one counts, as in a.jpg, a.png, a.json: give the other a name and a .json of its own",
    LINKED_FOLDER: "what lies behind it may be anything, or all this once more: import that folder too, with --add",
    BAD_JSON: "it is no JSON object of at most 1 MiB: write it again",
    NO_LABEL: "ids are compared with and without folder and suffix; name the right table with --labels FILE",
    DAMAGED: "the file was changed or its download failed: compare its checksum and fetch it again",
    DAMAGED_BYTES: "the file was changed or its download failed; what follows the damage was read: fetch it again",
    NO_RECORD: "shards are cut or damaged, and these photos were probably in them: fetch the shards again",
    CUT_OFF: "writing or downloading the file was interrupted: fetch it again",
    BAD_RECORD: "another kind of record, or a lost photo that the writer left as None",
}


def why(reason: str) -> str:
    """What usually causes a reason, and the mend; "" for one that is not known. Units and details may follow in it."""
    if reason in WHY:
        return WHY[reason]
    known = [form for form in WHY if reason.startswith(form.partition("{")[0].partition(":")[0])]
    return WHY[max(known, key=len)] if known else ""
