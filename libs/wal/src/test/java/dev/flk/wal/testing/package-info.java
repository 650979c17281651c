// SPDX-License-Identifier: Apache-2.0
/**
 * Helpers for the tests of several modules: the real disk with faults, a simulated disk that loses power, and the
 * product with a rule switched off. The package is built into a test jar; the product does not depend on it.
 */
package dev.flk.wal.testing;
