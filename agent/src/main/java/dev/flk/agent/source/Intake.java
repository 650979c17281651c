// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.CertificateSink;
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
 * Takes certificates into the outbox. Checks just what signing needs: JSON, and the eight signed fields. What else may be
 * wrong with a certificate the backend says, and it lands among the dead letters. One thread.
 */
public final class Intake {
    /** A certificate longer than this no backend takes, even in a batch. */
    public static final int MAX_CERTIFICATE_BYTES = 8 << 20;

    private static final long MAX_APPEND_BYTES = 1 << 20;

    private final CertificateSink outbox;
    private final LongConsumer progress;
    private long added;

    /** For an outbox of this process, or of another. */
    public Intake(CertificateSink outbox) {
        this(outbox, added -> {});
    }

    /** The same, telling after each append how many were taken so far. */
    public Intake(CertificateSink outbox, LongConsumer progress) {
        this.outbox = outbox;
        this.progress = progress;
    }

    /** What could not be taken: the number of its line, from 1, and why. */
    public record Refused(long line, String reason) {}

    /** Certificates that were taken so far, all of them on disk; also after a failure. */
    public long added() {
        return added;
    }

    /** Takes certificates as they are; every one is on disk when it returns, in several appends if they are many. */
    public void add(Collection<byte[]> certificates) throws IOException {
        addFrom(new ArrayDeque<>(certificates));
    }

    /** The same; takes out of the queue what is on disk, so that the rest can be tried again after a failure. */
    void addFrom(Deque<byte[]> certificates) throws IOException {
        // so that a small outbox takes a long source piece by piece
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

    /** Takes a source that holds one certificate, on any number of lines. */
    public void addOne(InputStream in, Consumer<Refused> refused) throws IOException {
        byte[] certificate = in.readNBytes(MAX_CERTIFICATE_BYTES + 1);
        Optional<String> objection = objection(certificate);
        if (objection.isEmpty()) {
            add(List.of(certificate));
        } else {
            refused.accept(new Refused(1, objection.get()));
        }
    }

    /** The lines of a source that can be taken; nothing is added. */
    public List<byte[]> goodLines(InputStream in, Consumer<Refused> refused) throws IOException {
        List<byte[]> good = new ArrayList<>();
        Lines lines = new Lines(in, MAX_CERTIFICATE_BYTES);
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

    /** The lines of a source that are not blank. */
    public static long countLines(InputStream in) throws IOException {
        Lines lines = new Lines(in, 0);
        long count = 0;
        while (lines.next() != null) {
            count++;
        }
        return count;
    }

    /** Takes a source with a certificate on each line; blank lines are skipped, a line that is refused spoils no other. */
    public void addLines(InputStream in, Consumer<Refused> refused) throws IOException {
        Lines lines = new Lines(in, MAX_CERTIFICATE_BYTES);
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

    /** What is wrong with a certificate; empty if it can be taken. */
    public Optional<String> objection(byte[] certificate) {
        if (certificate.length > longest()) {
            return Optional.of("longer than " + longest() + " bytes");
        }
        try {
            CertificateReader.parse(certificate);
            return Optional.empty();
        } catch (MalformedCertificate e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    /** In bytes; a certificate that is longer than the whole outbox is refused rather than waited for. */
    long longest() {
        return Math.min(MAX_CERTIFICATE_BYTES, outbox.maxBytes());
    }
}
