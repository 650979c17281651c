// SPDX-License-Identifier: Apache-2.0
/**
 * Helpers for the tests of several modules: signed certificates, valid or deliberately broken, stored fuzz inputs, the
 * timeout of awaits, and a Secret volume. They are built into a test jar, on which the product does not depend.
 */
package dev.flk.sample;
