// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.FileFingerprints;
import dev.flk.program.reload.FileWatch;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tokens of the tokens file. The file is read again when it has changed. If the file has an error, the tokens that
 * were read before stay in force, and a log line reports the error. Safe for any thread.
 */
public final class Tokens implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");

    private final Path file;
    private final Audit audit;
    private final FileWatch watch = new FileWatch("state-tokens-watch", System::nanoTime);
    private volatile TokensFile inForce;
    // used by the watching thread
    private FileFingerprints fingerprints = new FileFingerprints();
    private int stepsWhileBad;
    private @Nullable String reported;

    /**
     * Reads the file, and starts checking it once a second.
     *
     * @throws InvalidConfig if the file can't be used
     */
    public static Tokens open(Path file, Audit audit) {
        try {
            Tokens opened = new Tokens(file, audit);
            opened.start();
            return opened;
        } catch (InvalidFileException e) {
            throw new InvalidConfig(List.of("STATE_TOKENS_FILE: " + file + ": " + e.getMessage()));
        }
    }

    /** Reads the file; starts no thread. */
    public Tokens(Path file, Audit audit) throws InvalidFileException {
        this.file = file;
        this.audit = audit;
        this.inForce = TokensFile.read(file, fingerprints);
        warnOfFormerRecord(inForce);
    }

    private void warnOfFormerRecord(TokensFile read) {
        List<String> names = read.namesOfFormerRecord();
        if (!names.isEmpty()) {
            LOG.warn(
                    "{} has rights to the namespace flk.record, which is no longer served; remove them from: {}. Now {}",
                    file,
                    String.join(", ", names),
                    FormerRecord.TODAY);
        }
    }

    /** Starts checking the file once a second. */
    public void start() {
        watch.every(() -> lookAgain(false));
    }

    /** Reads the file again, even if it looks unchanged. */
    public void onReloadSignal() {
        watch.now(() -> lookAgain(true));
    }

    private void lookAgain(boolean readAnyway) {
        try {
            boolean isRetry = reported != null && ++stepsWhileBad % FileWatch.LOOKS_PER_RETRY == 0;
            if (readAnyway || isRetry || fingerprints.haveChanged()) {
                readAgain(isRetry && !readAnyway);
            }
        } catch (RuntimeException e) {
            LOG.error(
                    "checking the tokens file failed and will be retried; the tokens that were read before stay in"
                            + " force",
                    e);
        }
    }

    /** @param isRetry whether the file has not changed, so that the same problem is not reported again */
    private void readAgain(boolean isRetry) {
        fingerprints = new FileFingerprints();
        try {
            TokensFile read = TokensFile.read(file, fingerprints);
            inForce = read;
            reported = null;
            warnOfFormerRecord(read);
            LOG.info("{} was read again and has {} tokens", file, read.size());
            audit.operation(
                    "state_tokens_changed",
                    Map.of(
                            "file", file.toString(),
                            "tokens", Integer.toString(read.size())));
        } catch (InvalidFileException e) {
            String problem = String.valueOf(e.getMessage());
            if (isRetry && problem.equals(reported)) {
                return;
            }
            reported = problem;
            audit.operation("state_tokens_refused", Map.of("file", file.toString(), "problems", problem));
            LOG.error(
                    "{} can't be used, so the tokens that were read before stay in force. Problems: {}", file, problem);
        }
    }

    /**
     * Returns whether a token may read, in a namespace, all agents with ids that begin with a prefix, or may write to
     * them if {@code writes} is true; empty if the token is not in the file. The namespace need not exist in the state.
     * For example, {@code sessions} occurs only in the tokens file, in rights to sessions.
     */
    public Optional<Boolean> allows(String token, String namespace, String agentPrefix, boolean writes) {
        return holder(token)
                .map(holder ->
                        writes ? holder.mayWrite(namespace, agentPrefix) : holder.mayRead(namespace, agentPrefix));
    }

    /** Returns the holder of a token; empty if the token is not in the file. */
    public Optional<TokenHolder> holder(String token) {
        return inForce.holder(token);
    }

    /** Returns whether a token is still in the file with the same name and rights. */
    public boolean isInForce(TokenHolder holder) {
        return inForce.has(holder);
    }

    @Override
    public void close() {
        watch.close();
    }
}
