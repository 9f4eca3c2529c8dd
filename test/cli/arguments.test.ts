/** Reading arguments by a table of flags. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  noValue,
  oneOf,
  parseArguments,
  readFlags,
  someText,
  wholeNumber,
  type Flags,
  type Positionals,
} from '../../src/cli/arguments.ts';
import { UsageError } from '../../src/cli/command-errors.ts';
import { helpOf } from '../../src/cli/help-text.ts';

interface Config {
  readonly size: number;
  readonly mode: 'fast' | 'safe';
  readonly file: string | undefined;
}

const MODE = '--mode-with-a-very-long-name';

const FLAGS: Flags<Config> = {
  size: {
    name: '--size',
    group: 'Limits',
    help: 'maximum size in bytes',
    kind: wholeNumber('<bytes>', 1, 100),
    variable: 'SIZE',
    defaultText: '10',
  },
  mode: {
    name: MODE,
    group: 'Limits',
    help: 'mode',
    kind: oneOf('fast', 'safe'),
    defaultText: 'safe',
  },
  file: {
    name: '--file',
    formerName: '--path',
    group: 'Files',
    help: 'file to read',
    kind: someText('<file>', 'a file'),
  },
};

const NONE: Positionals = { count: 0, expected: 'no argument' };
const ONE: Positionals = { count: 1, expected: 'one argument, the file' };

const read = (args: readonly string[], values: Record<string, string> = {}): Config => {
  return readFlags(FLAGS, parseArguments(args, FLAGS, NONE), { values });
};

test('a flag wins over its variable, which wins over the default', () => {
  assert.deepEqual(read([]), { size: 10, mode: 'safe', file: undefined });
  assert.equal(read([], { SIZE: '20' }).size, 20);
  assert.equal(read([], { SIZE: '' }).size, 10, 'an empty variable is not set');
  assert.equal(read(['--size', '30'], { SIZE: '20' }).size, 30);
});

test('a value that is not of its kind is refused by the name under which it was given', () => {
  const bounds = 'expected a whole number from 1 to 100, got';
  const REFUSED: readonly [args: string[], env: Record<string, string>, message: string][] = [
    [['--size=0'], {}, `--size ${bounds} "0"`],
    [['--size=101'], {}, `--size ${bounds} "101"`],
    [['--size=1e1'], {}, `--size ${bounds} "1e1"`],
    [[], { SIZE: 'many' }, `environment variable SIZE ${bounds} "many"`],
    [[`${MODE}=slow`], {}, `${MODE} expected fast or safe, got "slow"`],
    [['--file='], {}, '--file expected a file, got ""'],
  ];
  for (const [args, env, message] of REFUSED) {
    assert.throws(() => read(args, env), (error) => {
      assert.ok(error instanceof UsageError);
      assert.equal(error.message, message);
      return true;
    });
  }
  assert.deepEqual([read(['--size=1']).size, read(['--size=100']).size], [1, 100]);
});

test('a kind that may hold a secret is refused without its text', () => {
  const secret = { ...someText('<url>', 'a URL'), parse: () => undefined, isSecret: true };
  const flags = { ...FLAGS, file: { ...FLAGS.file, kind: secret } };
  const given = parseArguments(['--file=hidden'], flags, NONE);
  assert.throws(() => readFlags(flags, given, { values: {} }), /^Error: --file expected a URL$/);
});

test('positionals are counted and not repeated', () => {
  const { positionals } = parseArguments(['one', '--size=2'], FLAGS, ONE);
  assert.deepEqual(positionals, ['one']);
  const isSilent = /^Error: expected one argument, the file, got 2$/;
  assert.throws(() => parseArguments(['one', 'two'], FLAGS, ONE), isSilent);
  // A number would look like the argument.
  assert.throws(() => parseArguments(['one'], FLAGS, NONE), /^Error: expected no argument$/);
});

test('a flag that took the only argument for its value is named', () => {
  const took = () => parseArguments(['--size', 'one'], FLAGS, ONE);
  assert.throws(took, /^Error: --size expected a whole number from 1 to 100, got "one"$/);
  const missing = () => parseArguments(['--size', '1'], FLAGS, ONE);
  assert.throws(missing, /^Error: expected one argument, the file, got 0$/);
});

test('the name of an unknown flag is repeated only if it looks like a flag', () => {
  const MESSAGES: Readonly<Record<string, string>> = {
    '--prot=hidden': 'unknown flag --prot',
    '--siez=hidden': 'unknown flag --siez: did you mean --size?',
    '-size=hidden': 'unknown flag -s: did you mean --size?',
    '--SIZE=hidden': 'unknown flag: did you mean --size?',
    '--mode': `unknown flag --mode: did you mean ${MODE}?`,
    '--fil': 'unknown flag --fil: did you mean --file?',
    '--paht=hidden': 'unknown flag --paht: did you mean --file?',
    '-p': 'unknown flag -p',
    '--hunter2hunter2': 'unknown flag',
    [`--${'a'.repeat(25)}`]: 'unknown flag',
    '--Hidden': 'unknown flag',
  };
  for (const [arg, message] of Object.entries(MESSAGES)) {
    assert.throws(() => parseArguments([arg], FLAGS, NONE), { message });
  }
});

test('of a flag that is given twice the last one counts, also by its former name', () => {
  assert.deepEqual(
    read(['--size', '30', '--file=b', '--size=40', '--path', 'c']),
    { size: 40, mode: 'safe', file: 'c' },
  );
});

test('a former name of a flag still works, and is named if it was typed', () => {
  assert.equal(read(['--path', 'a']).file, 'a');
  assert.throws(() => read(['--path=']), { message: '--path expected a file, got ""' });
  assert.doesNotMatch(helpOf(FLAGS), /--path/);
});

test('errors that name the right culprit: the file that has set a variable', () => {
  const env = { values: { SIZE: 'many' }, loaded: { file: 'old.env', names: ['SIZE'] } };
  const message = 'SIZE in old.env expected a whole number from 1 to 100, got "many"';
  assert.throws(() => readFlags(FLAGS, parseArguments([], FLAGS, NONE), env), { message });
});

test('a flag without a value is refused, also if another flag follows', () => {
  const message = '--size expected a whole number from 1 to 100, got no value';
  assert.throws(() => parseArguments(['--size'], FLAGS, NONE), { message });
  const withHint = `${message} (a value that begins with a hyphen follows --size=)`;
  for (const args of [['--size', '--file', 'x'], ['--size', '-1']]) {
    assert.throws(() => parseArguments(args, FLAGS, NONE), { message: withHint });
  }
  assert.equal(read(['--file=-1']).file, '-1');
  assert.equal(read(['--file', '-']).file, '-');
});

test('a switch takes no value, and no argument for its value', () => {
  const all = { name: '--all', group: 'Limits', help: 'all of them', kind: noValue };
  const flags: Flags<{ readonly all: true | undefined }> = { all };
  const given = (...args: string[]) => {
    const parsed = parseArguments(args, flags, { count: 0, optionalCount: 1, expected: 'one' });
    return [readFlags(flags, parsed, { values: {} }).all, ...parsed.positionals];
  };
  assert.deepEqual(given(), [undefined]);
  assert.deepEqual(given('--all'), [true]);
  assert.deepEqual(given('--all', 'joe'), [true, 'joe']);
  for (const arg of ['--all=yes', '--all=']) {
    assert.throws(() => given(arg), { message: '--all expected no value' });
  }
});

test('an optional argument may be absent, and a further one is refused', () => {
  const optional = { count: 1, optionalCount: 1, expected: 'one or two arguments' };
  const given = (...args: string[]) => parseArguments(args, FLAGS, optional).positionals;
  assert.deepEqual([given('a'), given('a', 'b')], [['a'], ['a', 'b']]);
  assert.throws(() => given(), { message: 'expected one or two arguments, got 0' });
  assert.throws(() => given('a', 'b', 'c'), { message: 'expected one or two arguments, got 3' });
});
