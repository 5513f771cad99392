// Adds the local time to each date of the timeline, which is in UTC. Without this script only UTC is shown.
"use strict";

for (const time of document.querySelectorAll(".timeline time")) {
  const when = new Date(time.dateTime);
  if (when.getTimezoneOffset() === 0) continue;
  const local = document.createElement("small");
  local.textContent = when.toLocaleString("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  time.after(local);
}
