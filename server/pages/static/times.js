// Beside each date of the timeline, which is in UTC, what it is where the reader is. Without this script UTC remains.
"use strict";

for (const time of document.querySelectorAll(".timeline time")) {
  const when = new Date(time.dateTime);
  if (when.getTimezoneOffset() === 0) continue;
  const local = document.createElement("small");
  local.textContent = when.toLocaleString("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  time.after(local);
}
