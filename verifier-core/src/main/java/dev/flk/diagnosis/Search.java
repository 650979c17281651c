// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.diagnosis.TextForm.Scope;
import dev.flk.signing.HashedText;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Puts every text and every use of a key together, what is least otherwise first, until one pair makes the signature. Both
 * memory and time are bounded, whatever the certificate and the keys. One thread's own, for one run.
 */
final class Search {
    /** HMACs; an Ed25519 verification counts as 20, and each further KiB of text as 1. */
    static final long MAX_WORK = 1_000_000;

    /** A longer certificate is not tried as a whole. */
    private static final int MAX_WHOLE_BYTES = 256 << 10;

    /** Of all texts together, before those that are the same are dropped. */
    private static final long MAX_TEXT_BYTES = 16L << 20;

    private final JsonValue.Members certificate;
    private final int bodyBytes;
    private final int signedFieldsBytes;

    /** By the number of things that are otherwise, as are the others. */
    private final List<List<TextForm>> forms = new ArrayList<>();

    private final List<List<Candidate>> candidates = new ArrayList<>();
    private final List<List<Trial>> trials = new ArrayList<>();
    private final Set<String> known = new HashSet<>();
    private long textBytes;
    private boolean hasAllTexts = true;
    private boolean hasTime = true;
    private long combinations;
    private long work;

    /** A text, and the form that has the fewest things otherwise among those that give it. */
    private record Candidate(TextForm form, HashedText text) {}

    /** What made the signature. */
    record Hit(TextForm form, byte[] text, Trial trial) {}

    /** For {@code certificate}, whose body had so many bytes, and the ways in which it may have been signed. */
    Search(JsonValue.Members certificate, int bodyBytes, List<Trial> trials) {
        this.certificate = certificate;
        this.bodyBytes = bodyBytes;
        this.signedFieldsBytes = TextWriter.write(certificate, TextForm.CANONICAL).length;
        Set<Scope> scopes = EnumSet.of(Scope.SIGNED_FIELDS);
        if (bodyBytes <= MAX_WHOLE_BYTES) {
            scopes.add(Scope.ALL_BUT_SIG);
        } else {
            hasAllTexts = false;
        }
        TextForms.of(certificate, scopes).forEach(form -> add(forms, form.deviations(), form));
        trials.forEach(trial -> add(this.trials, trial.deviations(), trial));
    }

    /** Tries all there is. */
    Optional<Hit> run() {
        for (int total = 0; total < forms.size() + trials.size(); total++) {
            for (int otherwise = 0; otherwise <= total; otherwise++) {
                if (otherwise < forms.size() && total - otherwise < trials.size()) {
                    Optional<Hit> hit = tryAll(candidates(otherwise), trials.get(total - otherwise));
                    if (hit.isPresent() || !hasTime) {
                        return hit;
                    }
                }
            }
        }
        return Optional.empty();
    }

    /** Written when they are first asked for, which is in this order: most mistakes are found before most texts. */
    private List<Candidate> candidates(int deviations) {
        if (deviations == candidates.size()) {
            List<Candidate> written = new ArrayList<>();
            forms.get(deviations).forEach(form -> write(form).ifPresent(written::add));
            candidates.add(written);
        }
        return candidates.get(deviations);
    }

    /** Empty if the text is known, or there is no room for it. */
    private Optional<Candidate> write(TextForm form) {
        // an indented or escaped text is longer, by little
        int size = form.scope() == Scope.SIGNED_FIELDS ? signedFieldsBytes : bodyBytes;
        if (textBytes + size > MAX_TEXT_BYTES) {
            hasAllTexts = false;
            return Optional.empty();
        }
        textBytes += size;
        HashedText text = new HashedText(TextWriter.write(certificate, form));
        return known.add(text.digest()) ? Optional.of(new Candidate(form, text)) : Optional.empty();
    }

    private Optional<Hit> tryAll(List<Candidate> texts, List<Trial> ways) {
        for (Candidate candidate : texts) {
            for (Trial trial : ways) {
                work += trial.work(candidate.text());
                if (work > MAX_WORK) {
                    hasTime = false;
                    return Optional.empty();
                }
                combinations++;
                if (trial.fits(candidate.text())) {
                    return Optional.of(
                            new Hit(candidate.form(), candidate.text().text(), trial));
                }
            }
        }
        return Optional.empty();
    }

    /** How many pairs were tried. */
    long combinations() {
        return combinations;
    }

    /** Whether there was time and memory for all. */
    boolean isComplete() {
        return hasAllTexts && hasTime;
    }

    private static <T> void add(List<List<T>> buckets, int index, T element) {
        while (buckets.size() <= index) {
            buckets.add(new ArrayList<>());
        }
        buckets.get(index).add(element);
    }
}
