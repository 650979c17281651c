// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.backend.keys.Signatures.ReasonConsumer;
import dev.flk.program.threads.DaemonThreads;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A thread that finds the key that made a refused signature, by trying all keys, of which there may be thousands. It
 * works at most a twentieth of the time, so that strangers can't keep a core busy. Up to {@value #MAX_WAITING}
 * certificates, whose signed text has at most {@value #MAX_BYTES} bytes, wait for it; all others are {@link
 * SignatureRefusal#NOT_EXAMINED}.
 */
final class Examiner implements AutoCloseable {
    /**
     * The largest signed text that is examined, in bytes. Every certificate that keeps the rules of the format has a
     * shorter one.
     */
    static final int MAX_BYTES = 4096;

    static final int MAX_WAITING = 256;
    private static final int REST_FOR_WORK = 19;
    private static final long LONGEST_REST_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final Logger LOG = LoggerFactory.getLogger(Examiner.class);

    private final LongSupplier nanoTicker;
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(MAX_WAITING), DaemonThreads.named("keys-examiner"));

    Examiner(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /**
     * The signed text and the signature of a refused certificate, with the keys and the time by which it was refused.
     */
    record Refused(KeyRegistry registry, byte[] canonical, String shard, String sig, long nowMillis) {}

    void examine(Refused refused, ReasonConsumer consumer) {
        if (refused.canonical().length > MAX_BYTES) {
            consumer.because(SignatureRefusal.NOT_EXAMINED, null);
            return;
        }
        try {
            thread.execute(() -> look(refused, consumer));
        } catch (RejectedExecutionException e) {
            consumer.because(SignatureRefusal.NOT_EXAMINED, null);
        }
    }

    private void look(Refused refused, ReasonConsumer consumer) {
        long began = nanoTicker.getAsLong();
        try {
            Optional<KeyEntry> signer = refused.registry().signer(refused.canonical(), refused.sig());
            if (signer.isPresent()) {
                KeyEntry key = signer.get();
                consumer.because(KeyRegistry.why(key, refused.shard(), refused.nowMillis()), key.id());
            } else {
                consumer.because(SignatureRefusal.UNKNOWN_KEY, null);
            }
        } catch (RuntimeException e) {
            LOG.error("the reason for a refused signature could not be found; flk_signature_refused_total lacks it", e);
        }
        rest(nanoTicker.getAsLong() - began);
    }

    private static void rest(long workNanos) {
        try {
            TimeUnit.NANOSECONDS.sleep(Math.min(LONGEST_REST_NANOS, REST_FOR_WORK * workNanos));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // close() was called
        }
    }

    @Override
    public void close() {
        thread.shutdownNow(); // safe, because the thread touches no file
    }
}
