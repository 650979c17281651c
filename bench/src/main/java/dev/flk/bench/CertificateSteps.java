// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.canonical.Sha256;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
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

/**
 * Benchmarks of the pure steps between the body of a submission and the response. Each invocation uses the next of many
 * bodies; with a single body, the processor would predict all branches.
 */
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

    public CertificateSteps() {
        try {
            Certificates hmacBodies = new Certificates(hmacSigner, "5a".repeat(32));
            Certificates ed25519Bodies = new Certificates(ed25519Signer, "5a".repeat(32));
            for (int i = 0; i < BODIES; i++) {
                bodies[i] = hmacBodies.next();
                parsed[i] = CertificateReader.parse(bodies[i]);
                parsedEd25519[i] = CertificateReader.parse(ed25519Bodies.next());
                certificates[i] = parsed[i].check(NOW, SKEW);
                verdicts[i] = verifier.verify(certificates[i]);
            }
        } catch (MalformedCertificate e) {
            throw new IllegalStateException("a generated certificate is malformed", e);
        }
    }

    private int next() {
        next = (next + 1) % BODIES;
        return next;
    }

    /** Runs the step <i>parse</i>. */
    @Benchmark
    public ParsedCertificate parse() throws MalformedCertificate {
        return CertificateReader.parse(bodies[next()]);
    }

    @Benchmark
    public byte[] canonicalForm() {
        return parsed[next()].signed().canonicalForm();
    }

    @Benchmark
    public Optional<KeyId> hmacCheck() {
        ParsedCertificate one = parsed[next()];
        return hmac.verify(one.canonicalForm(), one.sig());
    }

    @Benchmark
    public Optional<KeyId> ed25519Check() {
        ParsedCertificate one = parsedEd25519[next()];
        return ed25519.verify(one.canonicalForm(), one.sig());
    }

    /** Runs the step <i>format</i>, which also computes the id and both digests. */
    @Benchmark
    public Certificate check() throws MalformedCertificate {
        return parsed[next()].check(NOW, SKEW);
    }

    /**
     * Runs the step <i>decide</i>, without rendering the body: recomputes D̂, regime and budget, and applies the rules.
     */
    @Benchmark
    public Verdict verify() {
        return verifier.verify(certificates[next()]);
    }

    @Benchmark
    public byte[] render() {
        return verdicts[next()].body();
    }

    /** Computes the SHA-256 of a body of about 500 bytes, for comparison. */
    @Benchmark
    public byte[] sha256() {
        return Sha256.of(bodies[next()]);
    }

    /**
     * Runs all steps from <i>parse</i> to <i>decide</i>, with an HMAC. This is the work of an event loop between the
     * request and the look-up of the id.
     */
    @Benchmark
    public byte[] wholeWay() throws MalformedCertificate {
        ParsedCertificate one = CertificateReader.parse(bodies[next()]);
        if (hmac.verify(one.canonicalForm(), one.sig()).isEmpty()) {
            throw new IllegalStateException("a valid signature was rejected");
        }
        return verifier.verify(one.check(NOW, SKEW)).body();
    }
}
