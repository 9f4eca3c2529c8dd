/**
 * The Dockerfile and the manifests of Kubernetes in src/cli/deployment.md. Their syntax is checked
 * by parsers. Their commands, their probe and their volume are run, without Docker and Kubernetes.
 */
import assert from 'node:assert/strict';
import { chmod, chown, cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import dockerfileUtils from 'dockerfile-utils';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PersistentVolumeClaim, Service } from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { propertyOf } from '../../src/values.ts';
import { blocks, shellBlock } from '../support/documents.ts';
import { emptyFolder, modeOf, serve, stop } from '../support/run-command.ts';
import { makeUserFolder, removeUserFolder, run } from '../support/user-folder.ts';

const [dockerfile = ''] = blocks('dockerfile');
const manifests = parseAllDocuments(blocks('yaml').join());
const [claim, deployment, service] = manifests.map((document): unknown => document.toJS());
let folder = '';
let container = '';

/** @returns a value deep in a manifest, by the names on the way to it */
function at(value: unknown, ...names: readonly (string | number)[]): unknown {
  return names.reduce<unknown>((found, name) => propertyOf(Object(found), String(name)), value);
}

const POD = ['spec', 'template', 'spec'] as const;
const CONTAINER = [...POD, 'containers', 0] as const;

/** @returns what stands behind an instruction of the Dockerfile, one for each time */
function instructions(name: string): string[] {
  const lines = dockerfile.split('\n').filter((line) => line.startsWith(`${name} `));
  return lines.map((line) => line.slice(name.length + 1));
}

/** The user of the image, who can be another one than that of the test only for root. */
const USER = 1000;
const isRoot = process.getuid?.() === 0;

/** @returns a command line that runs as the user of the image */
function asUser(words: readonly string[]): string[] {
  const user = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
  const rights = ['--bounding-set=-all', '--no-new-privs'];
  return isRoot ? ['setpriv', ...user, ...rights, ...words] : [...words];
}

/** Starts the command of the image. @param volume the folder that it has as `/data` */
function serveImage(volume: string) {
  const words: string[] = JSON.parse(instructions('CMD').join());
  const args = words.map((word) => word.replace(/^\/data\b/, volume)).join(' ');
  const main = join(container, 'opt/latchkey/node_modules/.bin/latchkey');
  return serve(`${args} --port 0`, { cwd: container, command: asUser([process.execPath, main]) });
}

before(async () => {
  folder = await makeUserFolder(() => false);
  container = await emptyFolder();
  // The user of the image reads the package, but writes none of it.
  for (const path of [dirname(container), container]) await chmod(path, 0o755);
});

after(() => removeUserFolder(folder));

test('the Dockerfile has ten lines without a fault, and a user without rights', () => {
  assert.deepEqual(dockerfileUtils.validate(dockerfile), []);
  assert.equal(dockerfile.trimEnd().split('\n').length, 10);
  assert.deepEqual(instructions('USER'), [`${USER}:${USER}`]);
});

test('the Dockerfile installs the package', async () => {
  const [install = ''] = instructions('RUN');
  const [copied = ''] = instructions('COPY');
  assert.match(install, RegExp(`/tmp/${copied.split(' ')[0]}$`));
  await mkdir(join(container, 'tmp'));
  const [, tarball = ''] = /(latchkey-.+\.tgz)/.exec(shellBlock('npm install --prefix')) ?? [];
  await cp(join(folder, '../latchkey', tarball), join(container, 'tmp', tarball));
  const local = install.replaceAll(/(?<= )\/(?=opt|tmp)/g, `${container}/`);
  await run('bash', ['-ec', `umask 022; ${local} --offline`], { cwd: container });
});

test('the image serves from a volume of Kubernetes, and its probe tells whether', async () => {
  // With fsGroup, the root of the volume belongs to root and the group.
  const volume = await emptyFolder();
  if (isRoot) await chown(volume, 0, USER);
  await chmod(volume, 0o2775);
  const server = await serveImage(volume);
  assert.equal(await modeOf(join(volume, 'latchkey')), '700');
  const [, probe = ''] = /^CMD node -e "(.+)"$/.exec(instructions('HEALTHCHECK').join()) ?? [];
  const ask = () => run(process.execPath, ['-e', probe.replace(':3000', `:${server.port}`)]);
  await ask();
  const path = at(deployment, ...CONTAINER, 'readinessProbe', 'httpGet', 'path');
  assert.equal((await fetch(`http://127.0.0.1:${server.port}${path}`)).status, 200);
  const { code, stderr } = await stop(server);
  assert.equal(code, 0);
  // The image cannot know that a proxy stands in front.
  const warnings = stderr.split('\n').filter((line) => line.includes('"event":"warning"'));
  assert.deepEqual(warnings.filter((line) => !line.includes('plain HTTP')), []);
  await assert.rejects(ask(), { code: 1 });
});

test('the manifests have the schema of Kubernetes', () => {
  assert.deepEqual(manifests.flatMap(({ errors, warnings }) => [...errors, ...warnings]), []);
  for (const [Kind, manifest] of [
    [PersistentVolumeClaim, claim],
    [Deployment, deployment],
    [Service, service],
  ] as const) {
    const model = new Kind(Object(manifest));
    assert.equal(at(manifest, 'apiVersion'), model.apiVersion);
    assert.equal(at(manifest, 'kind'), model.kind);
    model.validate();
  }
  const spec = { ...Object(at(deployment, 'spec')), replicas: '1' };
  const wrong = { ...Object(deployment), spec };
  assert.throws(() => new Deployment(wrong).validate(), /replicas must be integer/);
});

test('the manifests fit each other and the image', () => {
  const labels = at(deployment, 'spec', 'template', 'metadata', 'labels');
  assert.deepEqual(at(deployment, 'spec', 'selector', 'matchLabels'), labels);
  assert.deepEqual(at(service, 'spec', 'selector'), labels);
  const port = at(deployment, ...CONTAINER, 'ports', 0);
  assert.deepEqual([String(at(port, 'containerPort'))], instructions('EXPOSE'));
  for (const name of [
    at(service, 'spec', 'ports', 0, 'targetPort'),
    at(deployment, ...CONTAINER, 'readinessProbe', 'httpGet', 'port'),
    at(deployment, ...CONTAINER, 'livenessProbe', 'tcpSocket', 'port'),
  ]) assert.equal(name, at(port, 'name'));
  const volume = at(deployment, ...POD, 'volumes', 0);
  const mount = at(deployment, ...CONTAINER, 'volumeMounts', 0);
  assert.equal(at(mount, 'name'), at(volume, 'name'));
  assert.deepEqual([at(mount, 'mountPath')], instructions('VOLUME'));
  assert.equal(at(volume, 'persistentVolumeClaim', 'claimName'), at(claim, 'metadata', 'name'));
  const { runAsUser, fsGroup } = Object(at(deployment, ...POD, 'securityContext'));
  assert.deepEqual([runAsUser, fsGroup], [USER, USER]);
  assert.deepEqual(at(deployment, 'spec', 'strategy'), { type: 'Recreate' });
  assert.equal(at(deployment, 'spec', 'replicas'), 1);
});
