/** Loaded into a command before it starts (`node --import`): it answers each message with its usage. */
import { usageNow } from './hello-child.ts';

process.on('message', () => process.send?.(usageNow()));
process.channel?.unref();
