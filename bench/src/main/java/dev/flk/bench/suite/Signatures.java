// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/** Ed25519 beside one check of it, and what need not go to the disk: duplicates and wrong signatures. */
final class Signatures implements Suite {
    private static final String HMAC = "HMAC";
    private static final String ED25519 = "Ed25519";
    private static final String DUPLICATES = "duplicates";
    private static final String REFUSED = "wrong signatures";
    private static final String ED25519_BATCHES = "Ed25519, batches of 100";
    private static final int CONNECTIONS = 64;
    private static final int BATCH = 100;
    private static final int BATCH_CONNECTIONS = 16;
    private static final int SEEN = 10_000;

    @Override
    public String name() {
        return "signatures";
    }

    @Override
    public String description() {
        return "Ed25519 (also in batches), duplicates and wrong signatures, beside HMAC";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Ed25519Signer signer = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
        Server hmac = workshop.backend("hmac", Map.of());
        Server seen = workshop.backend("seen", Map.of()); // not the one whose store is still busy with what was new
        Server ed25519 = workshop.backend(
                "ed25519", Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PUB_B64", signer.publicKeyBase64()));
        Stock duplicates =
                Stock.ofSingles(Singles.PATH, workshop.certificates()).again();
        duplicates.fill(SEEN);
        Results results = rounds.run(
                name(),
                "certificates",
                HMAC,
                List.of(
                        new HttpLoad(
                                HMAC,
                                hmac,
                                CONNECTIONS,
                                Stock.ofSingles(Singles.PATH, workshop.certificates()),
                                30_000,
                                "200"),
                        new HttpLoad(DUPLICATES, seen, CONNECTIONS, duplicates, 1, "200"),
                        new HttpLoad(
                                REFUSED,
                                seen,
                                CONNECTIONS,
                                Stock.ofSingles(Singles.PATH, workshop.certificates(new HmacSigner("wrong")))
                                        .again(),
                                1_000,
                                "401"),
                        new SignatureChecks(signer),
                        new HttpLoad(
                                ED25519,
                                ed25519,
                                CONNECTIONS,
                                Stock.ofSingles(Singles.PATH, workshop.certificates(signer)),
                                10_000,
                                "200"),
                        new HttpLoad(
                                ED25519_BATCHES,
                                ed25519,
                                BATCH_CONNECTIONS,
                                Stock.ofBatches(Batches.PATH, workshop.certificates(signer), BATCH),
                                100,
                                "200")));
        double checks =
                results.rate(SignatureChecks.NAME) * Runtime.getRuntime().availableProcessors();
        return results.with(List.of(
                Target.atLeast("Ed25519, of all cores checking signatures", results.rate(ED25519) / checks, 0.75),
                Target.atLeast("the same in batches of 100", results.rate(ED25519_BATCHES) / checks, 0.75),
                Target.atLeast("duplicates, of singles", results.ratio(DUPLICATES, HMAC), 1.3),
                Target.atLeast("wrong signatures, of singles", results.ratio(REFUSED, HMAC), 1.2)));
    }

    /** Ed25519 signatures checked one after the other, in one thread, by the very code that the backend has. */
    private static final class SignatureChecks implements Subject {
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
                    nanos.getTotalCount() / (plan.measured().toNanos() / 1e9),
                    nanos,
                    nanos.getMean() / 1e3,
                    Double.NaN);
        }
    }
}
