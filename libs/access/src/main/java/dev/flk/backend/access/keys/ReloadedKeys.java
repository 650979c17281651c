// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFile.Usable;
import dev.flk.backend.access.limit.RateLimit;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.Reloaded;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.message.SignedRequest;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The keys of a file that is read again when the file or one of its secrets changes. If the file has a mistake, a log
 * line and metrics report the mistake. Safe for any thread.
 */
public final class ReloadedKeys extends Reloaded<KeysFile> implements Signatures {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.keys");
    private static final int MAX_NAMED = 20;

    private final Path file;
    private final InstantSource clock;
    private final BooleanSupplier isInDoubt;
    private final KeysMetrics metrics;
    private final Examiner examiner;
    private final LongSupplier nanoTicker;
    /** The time of the last call of {@link #keyMillis} at which the clock was not in doubt. */
    private volatile long lastMillis;

    private volatile KeyRates rates;
    private volatile Version version;
    private volatile Audit audit = Audit.none();
    private volatile Consumer<String> announce = version -> {};

    /**
     * The version of the keys.
     *
     * @param untilMillis the time from which the same keys have another version, because a key becomes valid or ends
     */
    private record Version(KeysFile keys, String text, long sinceMillis, long untilMillis) {
        static Version of(KeysFile keys, long nowMillis, long sinceMillis) {
            List<Usable> usable = keys.registry().keys();
            return new Version(
                    keys,
                    KeysVersion.of(usable, nowMillis),
                    sinceMillis,
                    KeysVersion.validUntilMillis(usable, nowMillis));
        }
    }

    /**
     * Reads the file; starts no thread.
     *
     * @param only the algorithm that all keys must have; null if they may have any
     * @param clock the backend's clock
     * @param isInDoubt whether the time of {@code clock} is in doubt
     * @throws InvalidFileException with all problems of the file
     */
    public ReloadedKeys(
            Path file,
            @Nullable SigningAlgorithm only,
            InstantSource clock,
            BooleanSupplier isInDoubt,
            LongSupplier nanoTicker,
            KeysMetrics metrics)
            throws InvalidFileException {
        super("keys-watch", Replacement.TOGETHER, nanoTicker, fingerprints -> KeysFile.read(file, only, fingerprints));
        this.file = file;
        this.clock = clock;
        this.isInDoubt = isInDoubt;
        this.lastMillis = clock.millis();
        this.metrics = metrics;
        this.nanoTicker = nanoTicker;
        this.examiner = new Examiner(nanoTicker);
        this.version = Version.of(inForce(), lastMillis, lastMillis);
        this.rates = KeyRates.none().of(inForce().entries(), nanoTicker);
        loaded();
        metrics.fileBad.watch(this::bad);
        metrics.firstEndSeconds.watch(this::firstEndSeconds);
    }

    /**
     * Starts to check the files once a second. From now on, the audit log records when keys are read, changed or
     * refused.
     *
     * @param beforeUse called with the version of other keys before they come into force; may block for a short time
     */
    public ReloadedKeys start(Audit writtenTo, Consumer<String> beforeUse) {
        audit = writtenTo;
        announce = beforeUse;
        audit.operation(
                "keys_read",
                Map.of("file", file.toString(), "keys", counts(inForce().entries())));
        startChecks();
        metrics.watchSeconds.watch(this::secondsSinceCheck);
        return this;
    }

    /**
     * Returns the time that decides whether keys are valid: the time of the backend's clock. It stops while the
     * backend's clock is in doubt, so that setting the machine's clock neither invalidates a valid key nor revives an
     * expired key.
     */
    private long keyMillis() {
        if (!isInDoubt.getAsBoolean()) {
            lastMillis = clock.millis();
        }
        return lastMillis;
    }

    @Override
    protected void beforeCheck() {
        keyMillis(); // so that the time stops at most a second before the clock comes into doubt
        current();
    }

    /** Tells of the new keys before anything is accepted with them. */
    @Override
    protected void requireBetter(KeysFile read, KeysFile before) {
        announce.accept(KeysVersion.of(read.registry().keys(), keyMillis()));
    }

    @Override
    protected void replaced(KeysFile before, KeysFile now) {
        rates = rates.of(now.entries(), nanoTicker);
        current();
        loaded();
        String changes = changes(before.registry().keys(), now.registry().keys());
        LOG.info("{} was read again and has {} keys; {}", file, counts(now.entries()), changes);
        audit.operation("keys_changed", Map.of("file", file.toString(), "changes", changes));
    }

    @Override
    protected void refused(List<String> problems) {
        metrics.fileErrors.increment();
        String some = String.join("; ", named(problems));
        audit.operation("keys_refused", Map.of("file", file.toString(), "problems", some));
        LOG.error("{} can't be used, so the keys that were read before stay in force. Problems: {}", file, some);
    }

    @Override
    protected void failed(RuntimeException e) {
        metrics.fileErrors.increment();
        LOG.error("checking the keys file failed and will be retried; the keys that were read before stay in force", e);
    }

    private void loaded() {
        double seconds = clock.millis() / 1000.0;
        metrics.loadedSeconds.watch(() -> seconds);
    }

    private static String counts(List<KeyEntry> entries) {
        Map<KeyState, Long> counts =
                entries.stream().collect(Collectors.groupingBy(KeyEntry::state, Collectors.counting()));
        List<String> parts = new ArrayList<>();
        for (KeyState state : KeyState.values()) {
            parts.add(counts.getOrDefault(state, 0L) + " " + state.label());
        }
        return String.join(", ", parts);
    }

    private static String changes(List<Usable> before, List<Usable> after) {
        Map<String, Usable> known = new HashMap<>();
        before.forEach(key -> known.put(key.entry().id(), key));
        List<String> changes = new ArrayList<>();
        for (Usable usable : after) {
            KeyEntry key = usable.entry();
            Usable old = known.remove(key.id());
            if (old == null) {
                changes.add("key " + key.id() + " was added");
            } else if (old.entry().state() != key.state()) {
                changes.add("key " + key.id() + " is now " + key.state().label());
            } else if (!old.entry().equals(key)) {
                changes.add("key " + key.id() + " was changed");
            } else if (!old.fingerprint().equals(usable.fingerprint())) {
                changes.add("key " + key.id() + " has another secret");
            }
        }
        known.keySet().forEach(id -> changes.add("key " + id + " was removed"));
        return changes.isEmpty() ? "no entry changed" : String.join(", ", named(changes));
    }

    /** Truncates a list, so that a file with thousands of keys does not make an endless log line. */
    private static List<String> named(List<String> all) {
        if (all.size() <= MAX_NAMED) {
            return all;
        }
        List<String> some = new ArrayList<>(all.subList(0, MAX_NAMED));
        some.add((all.size() - MAX_NAMED) + " more");
        return some;
    }

    private double firstEndSeconds() {
        long now = keyMillis();
        return inForce().entries().stream()
                .filter(key -> key.state() != KeyState.REVOKED && !key.isLate(now))
                .map(KeyEntry::validUntil)
                .filter(until -> until != null)
                .mapToDouble(until -> until.toEpochMilli() / 1000.0)
                .min()
                .orElse(0);
    }

    @Override
    public String version() {
        return current().text();
    }

    @Override
    public long since() {
        return current().sinceMillis();
    }

    /**
     * Returns the version of the keys in force. It is compared with the keys at each call: a version that changed after
     * the keys could name a refusal by other keys.
     */
    private Version current() {
        Version known = version;
        return known.keys() == inForce() && keyMillis() < known.untilMillis() ? known : renewed();
    }

    private synchronized Version renewed() {
        KeysFile keys = inForce();
        long now = keyMillis();
        if (version.keys() != keys || now >= version.untilMillis()) {
            version = Version.of(keys, now, Math.max(clock.millis(), version.sinceMillis() + 1));
        }
        return version;
    }

    @Override
    public Optional<String> verify(ParsedCertificate certificate) {
        Optional<KeyEntry> key = inForce()
                .registry()
                .verify(certificate.canonicalForm(), certificate.signed().shardId(), certificate.sig(), keyMillis());
        if (key.isEmpty()) {
            return Optional.empty();
        }
        countIfRetiring(key.get());
        return Optional.of(key.get().id());
    }

    private void countIfRetiring(KeyEntry key) {
        if (key.state() == KeyState.RETIRING) {
            metrics.retiring.increment();
        }
    }

    @Override
    public Authentication authenticate(SignedRequest request, String sessionId) {
        KeyRegistry registry = inForce().registry();
        Optional<KeyEntry> signer = registry.signer(request);
        if (signer.isEmpty()) {
            return new Authentication.Refused(
                    registry.hasAlgorithm(request.algorithm())
                            ? SignatureRefusal.UNKNOWN_KEY
                            : SignatureRefusal.OTHER_ALGORITHM,
                    null);
        }
        KeyEntry key = signer.get();
        List<SignatureRefusal> objections = key.sessionObjections(sessionId, keyMillis());
        if (!objections.isEmpty()) {
            return new Authentication.Refused(objections.get(0), key.id());
        }
        countIfRetiring(key);
        return new Authentication.Accepted(key.id());
    }

    @Override
    public @Nullable RateLimit rateOf(String keyId) {
        return rates.of(keyId);
    }

    @Override
    public void examine(ParsedCertificate refused, ReasonConsumer consumer) {
        String sig = refused.sig();
        if (sig == null || sig.isEmpty()) {
            consumer.because(SignatureRefusal.MISSING, null);
            return;
        }
        if (!KeyRegistry.mayBeSignature(sig)) {
            consumer.because(SignatureRefusal.UNKNOWN_KEY, null);
            return;
        }
        if (!inForce().registry().hasAlgorithmOf(sig)) {
            consumer.because(SignatureRefusal.OTHER_ALGORITHM, null);
            return;
        }
        examiner.examine(
                new Examiner.Refused(
                        inForce().registry(),
                        refused.canonicalForm(),
                        refused.signed().shardId(),
                        sig,
                        keyMillis()),
                consumer);
    }

    @Override
    public void close() {
        super.close();
        examiner.close();
    }

    /** The metrics of the keys file; all are 0 without a keys file. */
    public static final class KeysMetrics extends Metrics.Feature {
        private final Gauge fileBad = gauge(
                "flk_keys_file_bad",
                "1 while the keys file can't be used and the keys read before are in force, else 0.");
        private final Gauge watchSeconds = gauge(
                "flk_keys_watch_age_seconds",
                "Time since the last check of the keys file, which runs every second. 0 without a keys file.");
        private final Gauge loadedSeconds = gauge(
                "flk_keys_loaded_seconds", "Unix time at which the keys in force were read; 0 without a keys file.");
        private final Gauge firstEndSeconds = gauge(
                "flk_keys_first_end_seconds",
                "Unix time at which the first of the usable keys expires; 0 if none expires.");
        private final Count fileErrors =
                counter("flk_keys_file_errors_total", "Reads of the keys file that found a mistake.");
        private final Count retiring = counter(
                "flk_retiring_key_submissions_total",
                "Submissions and requests for sessions that are signed with a retiring key.");

        public KeysMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
