/** The entry point latchkey/store-contract: the tests that every user store must pass. */
export { testUserStore, type StoreContractOptions } from './users/contract.ts';
