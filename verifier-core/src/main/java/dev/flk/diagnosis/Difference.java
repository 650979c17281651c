// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

/**
 * One thing that a signer did otherwise.
 *
 * @param what what was done, a sentence
 * @param advice what to do instead, a sentence
 */
public record Difference(Cause cause, String what, String advice) {}
