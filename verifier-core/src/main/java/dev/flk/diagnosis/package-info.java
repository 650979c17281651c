/**
 * The diagnosis of rejected signatures. A diagnosis serialises the certificate in each wrong way that signers are known
 * to use, until the signature matches one of the texts. Commands that explain a rejection use {@link
 * dev.flk.diagnosis.SignatureDiagnosis}; submissions never do. Time and memory are bounded, and no key is ever
 * disclosed.
 */
@NullMarked
package dev.flk.diagnosis;

import org.jspecify.annotations.NullMarked;
