// What the scripts share: where the gateway is, and how a check tells what came of it.

export const URL = process.env.CLIENT_URL;
export const KEY = process.env.CLIENT_KEY;
// The scripted model, and the real one where it is installed.
export const CHAT_MODELS = process.env.CLIENT_CHAT_MODELS.split(" ");

// Runs a function, and prints what came of it as a line of JSON.
export async function check(name, run) {
  let failed;
  try {
    await run();
  } catch (error) {
    failed = `${error.name}: ${error.message}`.slice(0, 400);
  }
  console.log(JSON.stringify({ check: name, failed }));
}
