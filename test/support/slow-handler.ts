/** Handlers whose replies a test releases. */

/** A promise and the function that resolves it. */
export function deferred(): [promise: Promise<void>, resolve: () => void] {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return [promise, resolve];
}

interface SlowHandler {
  readonly slow: () => Promise<string>;
  /** Resolves once the handler is called. */
  readonly entered: Promise<void>;
  /** Lets the handler return `done`. */
  readonly release: () => void;
}

/** A handler that reports when it is called, and returns once it is released. */
export function slowHandler(): SlowHandler {
  const [entered, enter] = deferred();
  const [released, release] = deferred();
  const slow = async () => {
    enter();
    await released;
    return 'done';
  };
  return { slow, entered, release };
}
