// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/**
 * The intake of certificates into the outbox. The intake checks only the length of a certificate and what signing
 * needs: that the certificate is JSON and has the eight signed fields. A certificate with any other fault is accepted
 * here; when the certificate is sent, the backend rejects it, and it becomes a dead letter. For one thread.
 */
public final class Intake {
    private static final long MAX_APPEND_BYTES = 1 << 20;

    private final CertificateSink outbox;
    private final LongConsumer progress;
    private long added;

    /** Creates an intake that adds certificates to this outbox. */
    public Intake(CertificateSink outbox) {
        this(outbox, added -> {});
    }

    /**
     * Creates an intake that, after each append, passes the number of certificates added so far to {@code progress}.
     */
    public Intake(CertificateSink outbox, LongConsumer progress) {
        this.outbox = outbox;
        this.progress = progress;
    }

    /** A rejected certificate: the number of its line, from 1, and the reason. */
    public record Refused(long line, String reason) {}

    /**
     * Returns the number of certificates that this intake has added so far; all of these are on disk. The number is
     * also correct after a failure.
     */
    public long added() {
        return added;
    }

    /**
     * Adds certificates without checking them, in several appends if there are many certificates. All certificates are
     * on disk when this method returns.
     */
    public void add(Collection<byte[]> certificates) throws IOException {
        addFrom(new ArrayDeque<>(certificates));
    }

    /**
     * Adds certificates as {@link #add} does, and removes each certificate from the queue once it is on disk. After a
     * failure, the caller can retry with the same queue.
     */
    void addFrom(Deque<byte[]> certificates) throws IOException {
        // an append is also limited to an eighth of the outbox's capacity, because a small outbox accepts many
        // certificates only in small portions
        long maxBytes = Math.min(MAX_APPEND_BYTES, outbox.maxBytes() / 8);
        while (!certificates.isEmpty()) {
            List<byte[]> append = new ArrayList<>();
            long bytes = 0;
            for (byte[] certificate : certificates) {
                bytes += certificate.length;
                if (!append.isEmpty() && bytes > maxBytes) {
                    break;
                }
                append.add(certificate);
            }
            outbox.append(append);
            added += append.size();
            progress.accept(added);
            append.forEach(taken -> certificates.remove());
        }
    }

    /**
     * Adds the only certificate of a source. The certificate may extend over several lines. If the certificate is
     * invalid, adds nothing and passes a {@link Refused} to {@code refused}.
     */
    public void addOne(InputStream in, Consumer<Refused> refused) throws IOException {
        byte[] certificate = in.readNBytes(CertificateLimit.BYTES + 1);
        Optional<String> objection = objection(certificate);
        if (objection.isEmpty()) {
            add(List.of(certificate));
        } else {
            refused.accept(new Refused(1, objection.get()));
        }
    }

    /**
     * Returns the lines of a source that are valid certificates. Skips blank lines, and passes a {@link Refused} for
     * each invalid line to {@code refused}. Adds nothing to the outbox.
     */
    public List<byte[]> goodLines(InputStream in, Consumer<Refused> refused) throws IOException {
        List<byte[]> good = new ArrayList<>();
        Lines lines = new Lines(in, CertificateLimit.BYTES);
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            Optional<String> objection = objection(line);
            if (objection.isEmpty()) {
                good.add(line);
            } else {
                refused.accept(new Refused(lines.number(), objection.get()));
            }
        }
        return good;
    }

    /** Returns the number of lines of a source that are not blank. */
    public static long countLines(InputStream in) throws IOException {
        Lines lines = new Lines(in, 0);
        long count = 0;
        while (lines.next() != null) {
            count++;
        }
        return count;
    }

    /**
     * Adds the certificates of a source with one certificate on each line. Skips blank lines. For each invalid line,
     * passes a {@link Refused} to {@code refused} and continues with the next line.
     */
    public void addLines(InputStream in, Consumer<Refused> refused) throws IOException {
        Lines lines = new Lines(in, CertificateLimit.BYTES);
        Deque<byte[]> good = new ArrayDeque<>();
        long bytes = 0;
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            Optional<String> objection = objection(line);
            if (objection.isPresent()) {
                refused.accept(new Refused(lines.number(), objection.get()));
                continue;
            }
            if (bytes + line.length > MAX_APPEND_BYTES) {
                addFrom(good);
                bytes = 0;
            }
            good.add(line);
            bytes += line.length;
        }
        addFrom(good);
    }

    /** Returns why a certificate cannot be added; empty if the certificate can be added. */
    public Optional<String> objection(byte[] certificate) {
        if (certificate.length > longest()) {
            return Optional.of("longer than " + longest() + " bytes");
        }
        try {
            CertificateLimit.parsing(certificate.length, () -> CertificateReader.parse(certificate));
            return Optional.empty();
        } catch (MalformedCertificate e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Returns the maximum length of a certificate in bytes: {@link CertificateLimit#BYTES}, or the capacity of the
     * outbox if the capacity is smaller, because a longer certificate would never fit.
     */
    public long longest() {
        return Math.min(CertificateLimit.BYTES, outbox.maxBytes());
    }
}
