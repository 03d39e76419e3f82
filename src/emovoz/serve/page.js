// The browser keeps the recording: the server forgets it with each answer, so to ask again is to send it again.
const emovoz = {
  kept: null,

  // A recording that the page has just sent: keep it to be played, and pass it on.
  async received(file, ...rest) {
    if (file) emovoz.keep(await (await fetch(file.url)).blob(), file.orig_name);
    emovoz.wait();
    return [file, ...rest];
  },

  async example(address, name, words) {
    emovoz.keep(await (await fetch(address)).blob(), name);
    return [await emovoz.sent(), words, false];
  },

  async again(_, ...rest) {
    return [await emovoz.sent(), ...rest];
  },

  keep(blob, name) {
    if (emovoz.kept) URL.revokeObjectURL(emovoz.kept.address);
    emovoz.kept = { blob, name, address: URL.createObjectURL(blob) };
  },

  async sent() {
    emovoz.wait();
    const { blob, name } = emovoz.kept;
    const form = new FormData();
    form.append("files", blob, name);
    const answer = await fetch("gradio_api/upload", { method: "POST", body: form });
    if (!answer.ok) throw new Error(await answer.text());
    const [path] = await answer.json();
    return { path, orig_name: name, meta: { _type: "gradio.FileData" } };
  },

  wait() {
    document.getElementById("result").setAttribute("aria-busy", "true");
  },

  // A new result is there: let it be listened to.
  show(element) {
    const region = document.getElementById("result");
    region.setAttribute("aria-live", "polite");
    region.setAttribute("aria-busy", "false");
    // on a phone the answer is below what was given
    if (!element.querySelector(".waiting") && region.getBoundingClientRect().top > innerHeight / 2)
      region.scrollIntoView({ behavior: "smooth" });
    const listen = element.querySelector(".listen");
    if (!listen || !emovoz.kept) return;
    const [button, place, now] = ["button", "input", ".now"].map((one) => listen.querySelector(one));
    const sound = new Audio(emovoz.kept.address);
    emovoz.sound?.pause();
    emovoz.sound = sound;
    const follow = () => {
      place.value = sound.currentTime;
      now.textContent = emovoz.clock(sound.currentTime);
      if (!sound.paused) requestAnimationFrame(follow);
    };
    const told = () => {
      button.classList.toggle("playing", !sound.paused);
      button.setAttribute("aria-label", sound.paused ? "Play" : "Pause");
      follow();
    };
    for (const event of ["play", "pause", "ended"]) sound.addEventListener(event, told);
    // a few kinds of file are heard by the server and not by the browser
    sound.addEventListener("error", () => (button.disabled = true));
    button.addEventListener("click", () => (sound.paused ? sound.play() : sound.pause()));
    place.addEventListener("input", () => {
      sound.currentTime = place.value;
      now.textContent = emovoz.clock(place.value);
    });
    for (const part of element.querySelectorAll(".parts button"))
      part.addEventListener("click", () => {
        sound.currentTime = part.dataset.start;
        sound.play();
      });
  },

  clock(seconds) {
    const whole = Math.floor(seconds);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  },
};
window.emovoz = emovoz;
