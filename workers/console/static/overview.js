// What the pages around the work page can do quicker with a script; all of it works without one.

for (const button of document.querySelectorAll("[data-check-all]")) {
  const boxes = () => [...document.getElementsByName(button.dataset.checkAll)];
  button.hidden = false;
  button.addEventListener("click", () => {
    const on = boxes().some((box) => !box.checked);
    for (const box of boxes()) box.checked = on;
  });
}

// A board that is looked at and not touched is read anew, whole, so that its figures fit together.
const board = document.querySelector("[data-refresh-s]");

async function refresh() {
  if (document.hidden || board.contains(document.activeElement)) return;
  try {
    // Unattended: a board that nobody looks at must not keep its session for ever.
    const headers = { Accept: "text/html", "X-Unattended": "yes" };
    const answer = await fetch(location.href, { headers });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = answer.ok && page.getElementById(board.id);
    if (!fresh) throw new Error(`status ${answer.status}`);
    if (!board.contains(document.activeElement)) board.replaceChildren(...fresh.childNodes);
    board.classList.remove("is-away");
  } catch {
    board.classList.add("is-away"); // what is shown is old now, and looks so
  }
}

if (board) setInterval(refresh, Number(board.dataset.refreshS) * 1000);
