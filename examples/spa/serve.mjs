// Serves the application for development, with the headers that it should have everywhere:
//
//   PORT=5173 USER_SERVICE=http://localhost:3000 node serve.mjs
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const port = Number(process.env.PORT ?? 5173);
const userService = process.env.USER_SERVICE ?? "http://localhost:3000";
const root = process.env.ROOT ?? import.meta.dirname;
const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json" };
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; " +
    `connect-src 'self' ${userService}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; ` +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  // Only files of the application: no dots but that of the extension, so no path leads out of the directory.
  const isPublic = /^\/(index\.html|style\.css|dist\/[a-z]+\.js)$/.test(path);
  try {
    if (path === "/config.json") {
      response.writeHead(200, { ...headers, "content-type": types[".json"] }).end(JSON.stringify({ userService }));
    } else if (isPublic) {
      const content = await readFile(join(root, path));
      response.writeHead(200, { ...headers, "content-type": `${types[extname(path)]}; charset=utf-8` }).end(content);
    } else {
      response.writeHead(404, headers).end();
    }
  } catch (error) {
    console.error(error.message);
    response.writeHead(500, headers).end();
  }
}).listen(port, "localhost", () => console.log(`http://localhost:${port} uses ${userService}`));
