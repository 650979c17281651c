// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Certificates;
import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.Sha256;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.Signer;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** What is pure: from the body to the answer. One of many bodies each time, so that no branch is learnt by heart. */
@State(Scope.Thread)
public class CertificateSteps {
    private static final int BODIES = 1024;
    private static final String SECRET = "bench";
    private static final Instant NOW = Instant.parse("2026-11-20T10:00:00Z");
    private static final Duration SKEW = Duration.ofMinutes(5);

    private final SignatureCheck hmac = SignatureCheck.hmac(List.of(SECRET));
    private final HmacSigner hmacSigner = new HmacSigner(SECRET);
    private final Ed25519Signer ed25519Signer = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);
    private final SignatureCheck ed25519 = SignatureCheck.ed25519(List.of(ed25519Signer.publicKeyBase64()));
    private final Verifier verifier = new Verifier(Policy.defaults());

    private final byte[][] bodies = new byte[BODIES][];
    private final ParsedCertificate[] parsed = new ParsedCertificate[BODIES];
    private final ParsedCertificate[] parsedEd25519 = new ParsedCertificate[BODIES];
    private final Certificate[] certificates = new Certificate[BODIES];
    private final Verdict[] verdicts = new Verdict[BODIES];
    private int next;

    /** Makes the bodies, and what each step begins with. */
    public CertificateSteps() {
        try {
            Certificates hmacBodies = certificates(hmacSigner);
            Certificates ed25519Bodies = certificates(ed25519Signer);
            for (int i = 0; i < BODIES; i++) {
                bodies[i] = hmacBodies.next();
                parsed[i] = CertificateReader.parse(bodies[i]);
                parsedEd25519[i] = CertificateReader.parse(ed25519Bodies.next());
                certificates[i] = parsed[i].check(NOW, SKEW);
                verdicts[i] = verifier.verify(certificates[i]);
            }
        } catch (MalformedCertificate e) {
            throw new IllegalStateException("a certificate of our own is malformed", e);
        }
    }

    private static Certificates certificates(Signer signer) {
        return new Certificates(signer, "5a".repeat(32));
    }

    private int next() {
        next = (next + 1) % BODIES;
        return next;
    }

    /** The first phase of reading. */
    @Benchmark
    public ParsedCertificate parse() throws MalformedCertificate {
        return CertificateReader.parse(bodies[next()]);
    }

    /** The bytes that are signed. */
    @Benchmark
    public byte[] canonicalForm() {
        return CanonicalForm.of(parsed[next()].signed());
    }

    /** One HMAC and its comparison. */
    @Benchmark
    public Optional<KeyId> hmacCheck() {
        ParsedCertificate one = parsed[next()];
        return hmac.verify(one.canonicalForm(), one.sig());
    }

    /** One Ed25519 signature. */
    @Benchmark
    public Optional<KeyId> ed25519Check() {
        ParsedCertificate one = parsedEd25519[next()];
        return ed25519.verify(one.canonicalForm(), one.sig());
    }

    /** The second phase: all other rules, the id, both digests. */
    @Benchmark
    public Certificate check() throws MalformedCertificate {
        return parsed[next()].check(NOW, SKEW);
    }

    /** D̂, regime and budget again, and the rules on them. */
    @Benchmark
    public Verdict verify() {
        return verifier.verify(certificates[next()]);
    }

    /** The answer's body. */
    @Benchmark
    public byte[] render() {
        return OutcomeBody.render(verdicts[next()]);
    }

    /** SHA-256 of 600 bytes, to compare with. */
    @Benchmark
    public byte[] sha256() {
        return Sha256.of(bodies[next()]);
    }

    /** All of it, with an HMAC: what an event loop does between request and look-up. */
    @Benchmark
    public byte[] wholeWay() throws MalformedCertificate {
        ParsedCertificate one = CertificateReader.parse(bodies[next()]);
        if (hmac.verify(one.canonicalForm(), one.sig()).isEmpty()) {
            throw new IllegalStateException("a good signature was refused");
        }
        return OutcomeBody.render(verifier.verify(one.check(NOW, SKEW)));
    }
}
