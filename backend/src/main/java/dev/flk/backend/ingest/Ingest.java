// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.TooManyFilesException;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The interface of ingest for the HTTP side. Safe to call from several event loops at once. A call does not wait for
 * the log's writer or for the network, but it may wait for a look-up in RocksDB, for a query of the free disk space, or
 * for a line of the audit log.
 */
public interface Ingest {

    /**
     * Submits certificates that arrived together (in one turn of an event loop, or as the lines of a batch), in the
     * order of the list. The callback of each submission is called exactly once. If an outcome promises that the body
     * is on disk, the callback is called only after the body is on disk.
     */
    void submit(List<Submission> turn);

    /**
     * Looks up the stored outcome of one certificate.
     *
     * @param isOperator whether an operator asks; look-ups of strangers can't occupy the places of these look-ups
     * @param answer called exactly once, on any thread: with the stored outcome; with a refusal if the id is still
     *     waiting for its decision, or if look-ups are not possible at the moment; with an empty value if the id is
     *     unknown
     */
    void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer);

    /**
     * A gate in front of ingest. It answers with the refusal {@code starting} until the log has been read and the gate
     * is opened. From then on, it forwards everything. Safe for any thread.
     */
    final class Gate implements Ingest {
        private static final Refused STARTING = new Refused(Refusal.STARTING, 1);

        private final RefusedSubmissions refused;
        private volatile @Nullable Ingest behind;

        public Gate(RefusedSubmissions refused) {
            this.refused = refused;
        }

        /** Forwards everything to {@code ingest} from this call on. */
        public void open(Ingest ingest) {
            behind = ingest;
        }

        @Override
        public void submit(List<Submission> turn) {
            Ingest ingest = behind;
            if (ingest != null) {
                ingest.submit(turn);
                return;
            }
            for (Submission submission : turn) {
                refused.unavailable.increment(STARTING.error());
                submission.answer().accept(STARTING);
            }
        }

        @Override
        public void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer) {
            Ingest ingest = behind;
            if (ingest != null) {
                ingest.lookUp(id, isOperator, answer);
            } else {
                answer.accept(Optional.of(STARTING));
            }
        }
    }

    /** The result of one submission or look-up. Only {@code serve.OutcomeRenderer} turns it into a status code. */
    sealed interface Outcome {

        /** The relation of the stored outcome to this submission. */
        enum Relation {
            /** The outcome was decided from this submission. */
            FIRST,
            /** The id already had an outcome, for the same content. */
            DUPLICATE,
            /**
             * The id already had an outcome, for different content. That outcome remains, and the content of this
             * submission is kept as evidence.
             */
            CONFLICT
        }

        /** The reason for a refusal, with the error text of the contract. */
        enum Refusal {
            /**
             * The body breaks a rule, or its {@code sent_at} is too far in the future (400). Each rule has its own
             * error text instead of {@code malformed}.
             */
            MALFORMED("malformed"),
            /** The signature is missing or wrong (401). */
            BAD_SIGNATURE("Signature verification failed"),
            /** The signature is missing or wrong, but another backend has newer keys, which may accept it (503). */
            KEYS_OUTDATED("keys are being updated on this backend"),
            /** The append to the log failed for a reason other than a full disk or too many open files (500). */
            LOG_FAILED("log append failed"),
            /**
             * An unexpected exception, because of a bug or a lack of memory (500); the program's log has the details.
             */
            BROKEN("internal error"),
            /** The store can't record or look up outcomes at the moment (503). */
            STORE_DOWN("dedup store unavailable"),
            /**
             * A write of the log failed because the disk is full, or the free space is below the configured limit
             * (503).
             */
            DISK_FULL("disk full"),
            /** A limit on memory, on work in flight, on entries in memory or on open files is reached (503). */
            OVERLOADED("overloaded"),
            /** The log is being read after a start (503). */
            STARTING("starting"),
            /** A look-up asks for an id that is in flight and has no stored outcome yet (503). */
            UNDECIDED("not decided yet");

            private final String error;

            Refusal(String error) {
                this.error = error;
            }
        }

        /**
         * An outcome that is on disk and in the store.
         *
         * @param status 200 or 202
         * @param body the exact bytes of the answer; must not be modified
         */
        record Decided(int status, byte[] body, Relation relation) implements Outcome {
            static Decided of(StoredOutcome stored, Relation relation) {
                return new Decided(stored.status(), stored.body(), relation);
            }
        }

        /** A submission beyond a rate limit (429). */
        record RateLimited(Throttled throttled) implements Outcome {}

        /**
         * A refusal: the answer contains no outcome.
         *
         * @param error the text for the sender
         * @param retryAfterSeconds the seconds after which the sender may try again; 0 if the answer names no time
         */
        record Refused(Refusal why, String error, long retryAfterSeconds) implements Outcome {
            public static final Refused BAD_SIGNATURE = new Refused(Refusal.BAD_SIGNATURE, 0);
            static final Refused KEYS_OUTDATED = new Refused(Refusal.KEYS_OUTDATED, 2);
            public static final Refused LOG_FAILED = new Refused(Refusal.LOG_FAILED, 0);
            public static final Refused BROKEN = new Refused(Refusal.BROKEN, 0);
            static final Refused OVERLOADED = new Refused(Refusal.OVERLOADED, 1);
            static final Refused DISK_FULL = new Refused(Refusal.DISK_FULL, 10);

            public Refused(Refusal why, long retryAfterSeconds) {
                this(why, why.error, retryAfterSeconds);
            }

            public static Refused malformed(String error) {
                return new Refused(Refusal.MALFORMED, error, 0);
            }

            /** Returns the answer to a submission whose append failed. */
            static Refused appendFailed(IOException cause) {
                return cause instanceof DiskFullException
                        ? DISK_FULL
                        : cause instanceof TooManyFilesException ? OVERLOADED : LOG_FAILED;
            }
        }
    }

    /**
     * One received certificate.
     *
     * @param bodyBytes the length of the body
     * @param body a supplier of the raw bytes, which must not change later; called at most once, before {@code submit}
     *     returns; not called if the limit of the sender's address or of all senders is exceeded
     * @param answer called exactly once, on any thread; must pass the outcome on without blocking, and must not throw
     */
    record Submission(int bodyBytes, Supplier<byte[]> body, Submitter sender, Consumer<Outcome> answer) {

        /** Creates a submission from bytes that the pipeline owns from now on. */
        public Submission(byte[] body, Submitter sender, Consumer<Outcome> answer) {
            this(body.length, () -> body, sender, answer);
        }

        /**
         * A submission that passed the steps parse, signature and format, together with its decision. A candidate is
         * not necessarily accepted: the decision may also be to reject the certificate.
         *
         * @param keyId the id of the key that signed the certificate, as written to the log
         * @param certificate the certificate in the body
         */
        record Candidate(
                byte[] body,
                Submitter sender,
                Consumer<Outcome> answer,
                String keyId,
                long arrivalMillis,
                Certificate certificate,
                Decision decision) {

            PcsId id() {
                return decision.recorded().id();
            }

            ContentDigest digest() {
                return decision.recorded().digest();
            }

            Entry entry(char kind) {
                return new Entry(kind, keyId, arrivalMillis, body);
            }
        }
    }
}
