// Loads a classic script once.

const loaded = new Map();

export function script(url) {
  if (!loaded.has(url)) {
    const done = new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = url;
      element.addEventListener("load", resolve);
      element.addEventListener("error", () => reject(new Error(`cannot load ${url}`)));
      document.head.append(element);
    });
    loaded.set(url, done);
  }
  return loaded.get(url);
}
