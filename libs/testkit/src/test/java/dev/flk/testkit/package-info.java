// SPDX-License-Identifier: Apache-2.0
/**
 * The servers that tests run as processes, and a certificate authority. The tests of other modules use this package
 * through a test jar, so no program contains it.
 */
package dev.flk.testkit;
