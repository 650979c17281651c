/**
 * Why a signature was refused: the certificate is written again in the ways in which signers get it wrong, until one fits the
 * signature. {@link dev.flk.diagnosis.SignatureDiagnosis} is the door, for the commands that explain; the way of a submission
 * does not lead through here. Bounded in time and memory; no key is ever shown.
 */
@NullMarked
package dev.flk.diagnosis;

import org.jspecify.annotations.NullMarked;
