// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.Reloaded;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The tokens of the tokens file, which is read again when it has changed. If the file has an error, a log line reports
 * the error. Safe for any thread.
 */
public final class Tokens extends Reloaded<TokensFile> {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");

    private final Path file;
    private final Audit audit;

    /**
     * Reads the file, and starts checking it once a second.
     *
     * @throws InvalidConfig if the file can't be used
     */
    public static Tokens open(Path file, Audit audit) {
        Tokens opened = read(file, audit);
        opened.startChecks();
        return opened;
    }

    /**
     * Reads the file; starts no thread.
     *
     * @throws InvalidConfig if the file can't be used
     */
    public static Tokens read(Path file, Audit audit) {
        try {
            return new Tokens(file, audit);
        } catch (InvalidFileException e) {
            throw new InvalidConfig(List.of("STATE_TOKENS_FILE: " + file + ": " + e.getMessage()));
        }
    }

    private Tokens(Path file, Audit audit) throws InvalidFileException {
        super(
                "state-tokens-watch",
                Replacement.TOGETHER,
                System::nanoTime,
                fingerprints -> TokensFile.read(file, fingerprints));
        this.file = file;
        this.audit = audit;
    }

    @Override
    protected void replaced(TokensFile before, TokensFile now) {
        LOG.info("{} was read again and has {} tokens", file, now.size());
        audit.operation(
                "state_tokens_changed", Map.of("file", file.toString(), "tokens", Integer.toString(now.size())));
    }

    @Override
    protected void refused(List<String> problems) {
        String all = String.join("; ", problems);
        audit.operation("state_tokens_refused", Map.of("file", file.toString(), "problems", all));
        LOG.error("{} can't be used, so the tokens that were read before stay in force. Problems: {}", file, all);
    }

    @Override
    protected void failed(RuntimeException e) {
        LOG.error(
                "checking the tokens file failed and will be retried; the tokens that were read before stay in force",
                e);
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
        return inForce().holder(token);
    }

    /** Returns whether a token is still in the file with the same name and rights. */
    public boolean isInForce(TokenHolder holder) {
        return inForce().has(holder);
    }
}
