"use strict";
// A reader's sheet. All text from files is set as text, never as markup.
(() => {
  const FORMAT = "rad3d-reader-study-answers";
  const VERSION = 1;
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = `rad3d-reader-study/${data.study}/${data.reader}`;
  const byId = (id) => document.getElementById(id);
  let current = 0;
  let kept = true;
  let unsaved = false;
  let answers = stored() ?? fresh();

  // An element with properties and children; strings become text.
  function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  // ---- Answers

  function fresh() {
    return data.readings.map((reading) => ({
      reports: Object.fromEntries(reading.reports.map(({ letter }) => [letter, blank()])),
    }));
  }

  function blank() {
    return { scores: {}, tags: [], other: "", comment: "" };
  }

  // Answers as this study could have given them, or an Error that says what is wrong.
  function checked(file) {
    if (file?.format !== FORMAT || file.version !== VERSION) throw new Error("This file holds no answers of a reader study.");
    if (file.study !== data.study) throw new Error("These answers belong to another study.");
    if (file.reader !== data.reader) throw new Error(`These answers belong to ${file.reader}, not to ${data.reader}.`);
    const readings = fresh();
    if (file.readings?.length !== readings.length) throw new Error("The file does not hold every case.");
    const keys = data.tags.map((tag) => tag.key).concat(data.noError);
    readings.forEach((reading, at) => {
      for (const [letter, own] of Object.entries(reading.reports)) {
        const given = file.readings[at]?.reports?.[letter] ?? blank();
        for (const { key } of data.scales) {
          const score = given.scores?.[key];
          if (score === undefined || score === null) continue;
          if (![1, 2, 3, 4, 5].includes(score)) throw new Error(`Case ${at + 1}, report ${letter}: ${key} is not 1 to 5.`);
          own.scores[key] = score;
        }
        own.tags = (given.tags ?? []).filter((tag) => keys.includes(tag));
        own.other = String(given.other ?? "");
        own.comment = String(given.comment ?? "");
      }
    });
    return readings;
  }

  function file() {
    return {
      format: FORMAT, version: VERSION, study: data.study, reader: data.reader,
      saved: new Date().toISOString(), complete: left() === 0, readings: answers,
    };
  }

  function stored() {
    try {
      const text = localStorage.getItem(place);
      return text ? checked(JSON.parse(text)) : null;
    } catch {
      return null;
    }
  }

  // Some browsers keep nothing for pages opened from a disk; the reader is told.
  function keep() {
    unsaved = true;
    try {
      localStorage.setItem(place, JSON.stringify(file()));
      kept = true;
    } catch {
      kept = false;
    }
    tell();
  }

  // ---- What is unanswered

  function isOpen(answer, question) {
    if (question === "errors") {
      return answer.tags.length === 0 || (answer.tags.includes(data.other) && !answer.other.trim());
    }
    return !(question in answer.scores);
  }

  function openIn(at) {
    const questions = data.scales.map((scale) => scale.key).concat("errors");
    return Object.values(answers[at].reports)
      .map((answer) => questions.filter((question) => isOpen(answer, question)).length)
      .reduce((sum, count) => sum + count, 0);
  }

  function left() {
    return answers.reduce((sum, _, at) => sum + openIn(at), 0);
  }

  function tell() {
    const open = left();
    const all = data.readings.reduce((sum, reading) => sum + reading.reports.length * (data.scales.length + 1), 0);
    byId("progress").max = all;
    byId("progress").value = all - open;
    const state = open === 0 ? "Complete: save the file and send it back." : `${all - open} of ${all} answered, ${open} left.`;
    const warning = kept ? "" : " This browser keeps nothing: save before you close the page.";
    byId("status").textContent = state + warning;
    byId("save").textContent = open === 0 ? "Save complete answers" : "Save unfinished answers";
    byId("cases").querySelectorAll("button").forEach((button, at) => {
      const count = openIn(at);
      const mark = button.querySelector("span");
      mark.textContent = count === 0 ? "✓" : String(count);
      mark.className = count === 0 ? "done" : "left";
      mark.setAttribute("aria-label", count === 0 ? "complete" : `${count} unanswered`);
      if (at === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    for (const field of byId("reading").querySelectorAll("fieldset")) {
      field.classList.toggle("open", isOpen(answers[current].reports[field.dataset.letter], field.dataset.question));
    }
  }

  // ---- The page

  // The list goes by numbers alone: ids in it would show at a glance which cases come twice.
  function title(at) {
    return `Case ${at + 1}`;
  }

  function texts({ findings, impression }) {
    const part = (name, text) => (text ? [make("h4", {}, name), make("p", { className: "text" }, text)] : []);
    const both = [...part("Findings", findings), ...part("Impression", impression)];
    return both.length ? both : [make("p", { className: "text" }, "(The report is empty.)")];
  }

  function question(letter, key, name, about, ...rest) {
    const field = make("fieldset", {}, make("legend", {}, name), make("p", { className: "question" }, about), ...rest);
    field.dataset.letter = letter;
    field.dataset.question = key;
    return field;
  }

  function scaleField(letter, scale, answer) {
    const points = [1, 2, 3, 4, 5].map((point) => {
      const input = make("input", {
        type: "radio", name: `${letter}-${scale.key}`, value: String(point),
        checked: answer.scores[scale.key] === point,
        onchange: () => { answer.scores[scale.key] = point; keep(); },
      });
      input.setAttribute("aria-label", `${point} of 5`);
      return make("label", {}, input, make("span", {}, String(point)));
    });
    const ends = [make("span", {}, `1: ${scale.low}`), make("span", {}, `5: ${scale.high}`)];
    return question(letter, scale.key, scale.name, scale.question,
      make("div", { className: "points" }, ...points), make("div", { className: "ends" }, ...ends));
  }

  function errorField(letter, answer) {
    const none = { key: data.noError, name: "No error", about: "searched, none found" };
    const boxes = [];
    const words = make("input", {
      type: "text", value: answer.other, placeholder: "Which other error?", hidden: !answer.tags.includes(data.other),
      oninput: () => { answer.other = words.value; keep(); },
    });
    words.setAttribute("aria-label", "Which other error?");
    const labels = [none, ...data.tags].map((tag) => {
      const box = make("input", { type: "checkbox", value: tag.key, checked: answer.tags.includes(tag.key) });
      // "No error" and errors exclude each other.
      box.onchange = () => {
        for (const other of boxes) {
          if (box.checked && (tag.key === none.key) !== (other.value === none.key)) other.checked = false;
        }
        answer.tags = boxes.filter((one) => one.checked).map((one) => one.value);
        words.hidden = !answer.tags.includes(data.other);
        if (words.hidden) answer.other = words.value = "";
        keep();
      };
      boxes.push(box);
      return make("label", { title: tag.about }, box, make("span", {}, tag.name));
    });
    return question(letter, "errors", "Errors", "All that the report holds, or that it holds none.",
      make("div", { className: "tags" }, ...labels), words);
  }

  function reportSection({ letter, findings, impression }, answer) {
    const comment = make("textarea", { value: answer.comment, oninput: () => { answer.comment = comment.value; keep(); } });
    const form = make("div", {},
      ...data.scales.map((scale) => scaleField(letter, scale, answer)),
      errorField(letter, answer),
      make("label", { className: "words" }, "Anything else (not needed)", comment));
    const heading = make("h3", {}, `Report ${letter}`);
    return make("section", { className: "report" }, make("div", {}, heading, ...texts({ findings, impression })), form);
  }

  function show(at, focus = true) {
    current = Math.max(0, Math.min(data.readings.length - 1, at));
    const reading = data.readings[current];
    const id = reading.id === null ? "" : ` · ${reading.id}`;
    const parts = [make("h2", {}, title(current), make("small", {}, id))];
    if (reading.pictures.length) {
      const images = reading.pictures.map((picture, index) =>
        make("img", { src: data.pictures[picture], alt: `Picture ${index + 1} of ${title(current)}` }));
      parts.push(make("section", {}, make("div", { className: "pictures" }, ...images)));
    }
    if (reading.reference) parts.push(make("section", {}, make("h3", {}, "Reference report"), ...texts(reading.reference)));
    for (const report of reading.reports) parts.push(reportSection(report, answers[current].reports[report.letter]));
    const step = (name, to) => make("button", { type: "button", disabled: to < 0 || to >= data.readings.length, onclick: () => show(to) }, name);
    parts.push(make("div", { className: "steps" }, step("Previous case", current - 1), step("Next case", current + 1)));
    byId("reading").replaceChildren(...parts);
    tell();
    scrollTo(0, 0);
    if (focus) byId("reading").focus({ preventScroll: true });
  }

  // ---- Saving and loading

  function save() {
    const open = left();
    const blob = new Blob([JSON.stringify(file(), null, 1) + "\n"], { type: "application/json" });
    const link = make("a", { href: URL.createObjectURL(blob), download: `answers-${data.reader}${open ? "-unfinished" : ""}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    unsaved = false;
  }

  async function load(event) {
    const [chosen] = event.target.files;
    event.target.value = "";
    if (!chosen) return;
    try {
      const read = checked(JSON.parse(await chosen.text()));
      if (unsaved && !confirm("Replace the answers on this page by those of the file?")) return;
      answers = read;
      keep();
      show(0);
    } catch (error) {
      const what = error instanceof SyntaxError ? "This file holds no answers of a reader study." : error.message;
      byId("reading").prepend(make("p", { className: "message", role: "alert" }, what));
      scrollTo(0, 0);
    }
  }

  // ---- Keys

  function fields() {
    return [...byId("reading").querySelectorAll("fieldset")];
  }

  function enter(field) {
    if (!field) return;
    (field.querySelector("input:checked") ?? field.querySelector("input")).focus();
    field.scrollIntoView({ block: "nearest" });
  }

  function nextOpen() {
    const cases = data.readings.map((_, step) => (current + step) % data.readings.length);
    const at = cases.find((one) => openIn(one) > 0);
    if (at === undefined) return;
    if (at !== current) show(at);
    enter(fields().find((field) => field.classList.contains("open")));
  }

  // A point of a scale; among errors, the n-th tag, 0 being "No error".
  function answerByKey(digit) {
    const field = document.activeElement.closest("fieldset") ?? fields().find((one) => one.classList.contains("open"));
    const ticks = field?.dataset.question === "errors";
    const input = ticks
      ? field.querySelectorAll("input[type=checkbox]")[digit]
      : field?.querySelector(`input[type=radio][value="${digit}"]`);
    if (!input) return;
    input.click();
    if (!ticks || digit === "0") enter(fields()[fields().indexOf(field) + 1]);
    else if (input.checked && input.value === data.other) field.querySelector("input[type=text]").focus();
    else input.focus();
  }

  function move(step) {
    const all = fields();
    const at = all.indexOf(document.activeElement.closest("fieldset"));
    enter(all[at < 0 ? 0 : at + step]);
  }

  // Out of a field of words, to the question after its report's errors.
  function leaveWords(words) {
    const errors = words.closest("section").querySelector("fieldset[data-question=errors]");
    words.blur();
    enter(fields()[fields().indexOf(errors) + 1]);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches("textarea, input[type=text]")) {
      const leaves = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"));
      if (leaves) leaveWords(event.target);
      return;
    }
    const keys = {
      n: () => show(current + 1), p: () => show(current - 1), u: nextOpen, s: save,
      ArrowDown: () => move(1), ArrowUp: () => move(-1),
    };
    const action = /^[0-9]$/.test(event.key) ? () => answerByKey(event.key) : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  addEventListener("beforeunload", (event) => {
    if (unsaved && !kept) event.preventDefault();
  });
  byId("save").onclick = save;
  byId("load-button").onclick = () => byId("load").click();
  byId("load").onchange = load;
  byId("cases").append(...data.readings.map((_, at) =>
    make("li", {}, make("button", { type: "button", onclick: () => show(at) }, title(at), make("span")))));
  show(0, false);
})();
