// SPDX-License-Identifier: Apache-2.0
/**
 * Disks for the tests of every module: the real disk with faults, and a simulated disk that loses power. The package is
 * built into a test jar; the product does not depend on it.
 */
package dev.flk.wal.testing;
