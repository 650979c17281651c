// SPDX-License-Identifier: Apache-2.0
/** A simulated topic for the tests of several modules. The package is built into a test jar. */
package dev.flk.copy.testing;
