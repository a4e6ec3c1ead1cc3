// Turns plain text and its entities into nodes. Text goes in as text, never as markup.

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "pre",
  blockquote: "blockquote",
  expandable_blockquote: "blockquote",
  text_link: "a",
  text_mention: "span",
  date_time: "time",
};

// Offsets count UTF-16 units, as JavaScript's strings do. Entities come sorted, outer ones first.
export function formatted(text, entities, begin = 0, end = text.length) {
  const nodes = document.createDocumentFragment();
  let at = begin;
  for (let i = 0; i < entities.length; i++) {
    const entity = entities[i];
    const last = Math.min(entity.offset + entity.length, end);
    if (entity.offset < at || last <= at) continue;
    nodes.append(text.slice(at, entity.offset));
    const inner = entities.slice(i + 1).filter((other) => other.offset < last);
    const element = elementFor(entity);
    element.append(formatted(text, inner, entity.offset, last));
    nodes.append(element);
    at = last;
  }
  nodes.append(text.slice(at, end));
  return nodes;
}

function elementFor(entity) {
  if (entity.type === "spoiler") return spoiler();
  const element = document.createElement(TAGS[entity.type] ?? "span");
  if (entity.type === "text_link") {
    element.href = entity.url;
    element.target = "_blank";
    element.rel = "noopener noreferrer";
    element.title = entity.url;
  }
  if (entity.type === "text_mention") element.className = "mention";
  if (entity.language) element.dataset.language = entity.language;
  return element;
}

function spoiler() {
  const element = document.createElement("span");
  element.className = "spoiler";
  element.tabIndex = 0;
  element.role = "button";
  element.ariaLabel = "Hidden text: press to show";
  const show = () => {
    element.classList.add("shown");
    for (const name of ["role", "tabindex", "aria-label"]) element.removeAttribute(name);
  };
  element.addEventListener("click", show);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show();
  });
  return element;
}
