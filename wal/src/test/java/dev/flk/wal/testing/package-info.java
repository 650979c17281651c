// SPDX-License-Identifier: Apache-2.0
/**
 * Disks for tests of every module: the real one with faults, and a simulated one that loses power. Built into a test jar; nothing
 * of the product depends on it.
 */
package dev.flk.wal.testing;
