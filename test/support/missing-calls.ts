/** The command on a file system that lacks some calls. */
import { childPath } from './compiled.ts';
import { command, type Where } from './run-command.ts';

/** @param calls such as `link ENOTSUP, chmod EPERM`, see `children/missing-calls.ts` */
export function without(calls: string, where: Where = {}): Where {
  const [node = '', ...words] = command();
  return {
    ...where,
    command: [node, '--import', childPath('missing-calls'), ...words],
    env: { ...where.env, MISSING_CALLS: calls },
  };
}
