"use strict";
// A film's time moves the cursor over the plots beside it.
for (const pair of document.querySelectorAll(".watched")) {
  const film = pair.querySelector("video"), cursors = pair.querySelectorAll(".cursor");
  const follow = () => {
    const share = film.duration > 0 ? Math.min(film.currentTime / film.duration, 1) : 0;
    for (const cursor of cursors) {
      const from = Number(cursor.dataset.from), to = Number(cursor.dataset.to);
      cursor.style.left = 100 * (from + share * (to - from)) + "%";
      cursor.style.visibility = film.duration > 0 ? "visible" : "hidden";
    }
    requestAnimationFrame(follow);
  };
  follow();
}
// Whoever asked the system for less motion starts the films by hand.
if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
  for (const film of document.querySelectorAll("video")) { film.autoplay = false; film.pause(); }
}
