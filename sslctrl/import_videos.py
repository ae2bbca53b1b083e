"""Anyone's own footage as a store: a folder of video files, each an episode of one camera."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from sslctrl.clips import Episode
from sslctrl.errors import InputError, check_least
from sslctrl.film import pace, read_film
from sslctrl.footage import footage
from sslctrl.import_folder import files_in, kept_at, make_store
from sslctrl.store import EpisodeStore

ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv")


def import_videos(folder: Path, out: Path, size_px: int = 64, every: int = 1) -> EpisodeStore:
    """Make a store of all videos in a folder and the folders in it, and return it; one that exists is kept as it is.

    Of each, the middle square of one frame of `every`; the episode's meta has its file's name under `video`. Raises
    DataError where there is no such folder or a file cannot be read, InputError where one has fewer than two such
    frames, or another import is in its place.
    """
    source = {"folder": str(folder), "size_px": size_px, "every": every}
    if (kept := kept_at(out, source)) is not None:
        return kept
    files = files_in(folder, ENDINGS, "videos")
    check_least(8, size_px=size_px)
    check_least(1, every=every)
    if not files:
        raise InputError(f"{folder} holds no video; allowed are {', '.join(ENDINGS)}, 1 or more; give another folder")
    episodes = (_episode(path, folder, size_px, every) for path in tqdm(files, desc="videos", disable=None))
    return make_store(episodes, out, source)


def _episode(path: Path, folder: Path, size_px: int, every: int) -> Episode:
    film = read_film(path, size_px, every)
    if len(film.frames) < 2:
        raise InputError(
            f"{path} has {film.length} frames, every is {every}; allowed are 2 frames or more that are kept; "
            "lower it, or take the file out of the folder"
        )
    name = str(path.relative_to(folder))
    return footage(film.frames[None], ("video",), {"video": name, **pace(film, every)})
