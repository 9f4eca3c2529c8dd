/** The options of single calls of JwtAuth, and their checks. */
import { trueOrFalse, type Checks } from '../options.ts';
import { realmCheck } from './authorization.ts';

/** The options of `issue` and `issueReply` of JwtAuth. */
export interface IssueOptions {
  /** Whether there is a refresh token beside the access token; default true with sessions. */
  readonly refresh?: boolean;
}

/** The options of `required` of JwtAuth. */
export interface GuardOptions {
  /** The realm in the challenges of this route, printable ASCII; default that of the JwtAuth. */
  readonly realm?: string;
}

export const ISSUE_OPTION_CHECKS: Checks<IssueOptions> = { refresh: trueOrFalse };
export const GUARD_OPTION_CHECKS: Checks<GuardOptions> = { realm: realmCheck };
