/**
 * The flags and the help of `latchkey inspect`. They are apart from `inspect.ts`, so that `--help`
 * does not load the code for tokens.
 */
import { someText, type Flags, type Kind } from '../arguments.ts';
import { leewayFlag } from '../shared-flags.ts';
import { helpOf } from '../help-text.ts';

export interface InspectConfig {
  readonly secretFile: string | undefined;
  readonly leewaySeconds: number;
}

/** If the file was left out, or stands behind the token, the flag gets the token as its value. */
const LIKE_A_TOKEN = /(?:^|[^\w.-])e[3wy][\w-]{10,}\.[\w-]+\.[\w-]{20,}$/;

const aFile: Kind<string> = someText('<file>', 'a file');

const aFileAndNoToken: Kind<string> = {
  ...aFile,
  expected: 'a file with the secrets',
  parse: (text) => LIKE_A_TOKEN.test(text) ? undefined : aFile.parse(text),
  problemOf: (text) => LIKE_A_TOKEN.test(text) ? 'a token in its place' : undefined,
};

export const INSPECT_FLAGS: Flags<InspectConfig> = {
  secretFile: {
    name: '--secret-file',
    group: 'Options',
    help: 'also verify the token, with the secrets in the file',
    kind: aFileAndNoToken,
  },
  leewaySeconds: leewayFlag('Options', 'for --secret-file: leeway of clocks in seconds'),
};

export const INSPECT_HELP: string = `Usage: latchkey inspect <token> [options]
       latchkey inspect - [options]      (the token from standard input)

Decode a token: print its header, its claims and its times. With --secret-file,
also verify it. Without it, the signature is not checked: the token may be
forged.

${helpOf(INSPECT_FLAGS)}

The exit code is 1 if the text is not a token, or the token is not valid.`;
