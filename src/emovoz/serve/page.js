// The browser keeps the recording: the server forgets it with each answer, so to ask again is to send it again.
const emovoz = {
  kept: null,
  words: null,

  // A recording that the page has just sent: keep it to be played, and pass it on.
  async received(file, _, words, transcribe) {
    emovoz.keep(await emovoz.fetched("result", file.url), file.orig_name);
    // words that were said of the recording before are not said of this one
    return emovoz.asked("result", file, words === emovoz.words ? "" : words, transcribe);
  },

  async example(address, name, words) {
    emovoz.keep(await emovoz.fetched("result", address), name);
    return emovoz.asked("result", await emovoz.sent("result"), words, false);
  },

  async again(region, _, __, words, transcribe) {
    return emovoz.asked(region, await emovoz.sent(region), words, transcribe);
  },

  keep(blob, name) {
    if (emovoz.kept) URL.revokeObjectURL(emovoz.kept.address);
    emovoz.kept = { blob, name, address: URL.createObjectURL(blob) };
  },

  async sent(region) {
    const { blob, name } = emovoz.kept;
    const form = new FormData();
    form.append("files", blob, `${Math.random().toString(36).slice(2)}.${name.split(".").pop()}`);
    const answer = await emovoz.fetched(region, "gradio_api/upload", { method: "POST", body: form });
    const [path] = JSON.parse(await answer.text());
    return { path, orig_name: name, meta: { _type: "gradio.FileData" } };
  },

  // What the service gives; where it gives nothing, the page says why and asks no further.
  async fetched(region, address, how) {
    let why = "The service cannot be reached; try again.";
    try {
      const answer = await fetch(address, how);
      if (answer.ok) return await answer.blob();
      why = answer.status === 429 ? "Too many are asking at once; try again." : await answer.text();
    } catch {}
    const told = document.createElement("div");
    told.className = "problem";
    told.setAttribute("role", "alert");
    told.textContent = why;
    emovoz.arrived(region).replaceChildren(told);
    throw new Error(why);
  },

  asked(region, file, words, transcribe) {
    document.getElementById(region).setAttribute("aria-busy", "true");
    emovoz.words = words;
    return [file, emovoz.kept.name, words, transcribe];
  },

  arrived(region) {
    const there = document.getElementById(region);
    there.setAttribute("aria-live", "polite");
    there.setAttribute("aria-busy", "false");
    return there;
  },

  // An answer is there, perhaps the same as before: let it be listened to.
  show() {
    const region = emovoz.arrived("result");
    // on a phone the answer is below what was given
    if (region.getBoundingClientRect().top > innerHeight / 2) region.scrollIntoView({ behavior: "smooth" });
    emovoz.sound?.pause();
    const listen = region.querySelector(".listen");
    if (!listen) return;
    const [button, place, now] = ["button", "input", ".now"].map((one) => listen.querySelector(one));
    const sound = new Audio(emovoz.kept.address);
    emovoz.sound = sound;
    const follow = () => {
      place.value = sound.currentTime;
      now.textContent = emovoz.clock(sound.currentTime);
      if (!sound.paused) requestAnimationFrame(follow);
    };
    sound.onplay = sound.onpause = () => {
      button.classList.toggle("playing", !sound.paused);
      button.setAttribute("aria-label", sound.paused ? "Play" : "Pause");
      follow();
    };
    // a few kinds of file are heard by the server and not by the browser
    sound.onerror = () => (button.disabled = true);
    button.onclick = () => (sound.paused ? sound.play() : sound.pause());
    place.oninput = () => {
      sound.currentTime = place.value;
      now.textContent = emovoz.clock(place.value);
    };
    for (const part of region.querySelectorAll(".parts button"))
      part.onclick = () => {
        sound.currentTime = part.dataset.start;
        sound.play();
      };
  },

  clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  },
};
window.emovoz = emovoz;
