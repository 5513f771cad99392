// Shows every time in the visitor's zone, with the zone's name; also those that come later. Without script they are in UTC.
"use strict";

{
  const written = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });

  function localise(place) {
    for (const time of place.querySelectorAll("time[datetime]")) {
      const when = new Date(time.dateTime);
      const text = written.format(when);
      if (when.getTimezoneOffset() === 0 || time.textContent === text) continue;
      time.title = `${when.toISOString().slice(0, 16).replace("T", " ")} UTC`;
      time.textContent = text;
    }
    const zone = document.querySelector("[data-zone]");
    if (new Date().getTimezoneOffset() !== 0 && zone.textContent !== zone.dataset.zone) zone.textContent = zone.dataset.zone;
  }

  localise(document);
  new MutationObserver(() => localise(document)).observe(document.body, { childList: true, characterData: true, subtree: true });
}
