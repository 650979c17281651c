// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import java.util.ArrayList;
import java.util.List;
import org.HdrHistogram.Histogram;

/** Ed25519 signatures checked one after the other, in one thread, by the very code that the backend has. */
final class SignatureChecks implements Subject {
    static final String NAME = "one thread's Ed25519 checks";
    private static final int SIGNED = 256;

    private final SignatureCheck check;
    private final List<byte[]> canonical = new ArrayList<>();
    private final List<String> signatures = new ArrayList<>();

    SignatureChecks(Ed25519Signer signer) {
        check = SignatureCheck.ed25519(List.of(signer.publicKeyBase64()));
        String root = "5a".repeat(32);
        for (int epoch = 0; epoch < SIGNED; epoch++) {
            byte[] form = CanonicalForm.of(new SignedFields(
                    PcsId.of(root, epoch, "shard").toString(), "shard", epoch, root, 1, 0.5, 0.8, 0.26));
            canonical.add(form);
            signatures.add(signer.sign(form));
        }
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Sample round(Plan plan) {
        Histogram nanos = new Histogram(3);
        long end = System.nanoTime() + plan.measured().toNanos();
        int next = 0;
        for (long begun = System.nanoTime(); begun < end; begun = System.nanoTime()) {
            if (check.verify(canonical.get(next), signatures.get(next)).isEmpty()) {
                throw new IllegalStateException("a good signature was refused");
            }
            next = (next + 1) % SIGNED;
            nanos.recordValue(System.nanoTime() - begun);
        }
        return Sample.of(
                nanos.getTotalCount() / (plan.measured().toNanos() / 1e9), nanos, nanos.getMean() / 1e3, Double.NaN);
    }
}
