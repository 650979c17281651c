// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes.Compared;
import dev.flk.backend.decide.LoggedOutcomes.ReplayedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Sha256;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.program.json.Json;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.LogRecord;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The JSON of an outcome in the record, an object with these members:
 *
 * <pre>
 * verdict              accepted, escalated or rejected
 * D_hat … policy       as in the answer, except that a long reason is cut
 * budget coh_star r    as claimed
 * merkle_root          as claimed
 * N_j, scales          as claimed, if they are not too long
 * window_start, _end   the times of the measurements, if the certificate has them; they are not signed
 * received_at, key_id  the arrival and the key of the submission
 * </pre>
 *
 * <p>If the outcome was decided for the same id but other content than that of the submission, the object has the
 * member {@code other_content}, but neither the claims nor the {@code key_id}.
 */
public final class RecordedOutcome {
    static final String KEY_PREFIX = "epoch/";

    private static final String HASHED = "sha256:";
    private static final String REGIME = "\"regime\":\"";
    private static final String ANSWERED = "\"D_hat\":";
    private static final String REASON = ",\"reason\":";
    private static final String POLICY = ",\"policy\":";
    private static final String CLAIMS = ",\"budget\":";
    private static final String OTHER_CONTENT = ",\"other_content\":";

    /**
     * The maximum length of the members {@code N_j} and {@code scales} together, in characters. If they are longer, the
     * value is stored without both members. Neither of them is signed.
     */
    private static final int MAX_COUNTS_CHARS = 256 << 10;

    /**
     * The maximum length of the reason, in characters. A reason may quote the fallbacks of the certificate, which are
     * not signed either. The state limits the length of a value, and of several values that are read together.
     */
    private static final int MAX_REASON_CHARS = 4 << 10;

    private RecordedOutcome() {}

    /**
     * Returns the version to which a submission in the log leads.
     *
     * @param sequence the sequence of the log record that leads to it
     */
    public static Placed of(long sequence, LogRecord submission, Compared decided) {
        ReplayedOutcome given = decided.given();
        return of(
                sequence,
                decided.certificate(),
                given.kind(),
                given.body(),
                decided.isOfOtherContent(),
                submission.arrivalMillis(),
                submission.keyId());
    }

    /** Returns the version to which a submission leads whose outcome was the first of its id. */
    public static Placed of(DecidedSubmission decided) {
        return of(
                decided.sequence(),
                decided.certificate(),
                decided.kind(),
                new String(decided.outcome().body(), StandardCharsets.US_ASCII),
                false,
                decided.arrivalMillis(),
                decided.keyId());
    }

    private static Placed of(
            long sequence,
            Certificate certificate,
            Verdict.Kind kind,
            String body,
            boolean isOfOtherContent,
            long arrivalMillis,
            String keyId) {
        SignedFields signed = certificate.signed();
        String answered = answered(body);
        StringBuilder json = new StringBuilder(1_024)
                .append("{\"verdict\":\"")
                .append(kind.label())
                .append("\",")
                .append(answered);
        if (isOfOtherContent) {
            json.append(OTHER_CONTENT).append("true");
        } else {
            appendClaims(json, certificate);
        }
        json.append(",\"received_at\":\"")
                .append(Instant.ofEpochMilli(arrivalMillis))
                .append('"');
        if (!isOfOtherContent) {
            CanonicalString.appendQuoted(json.append(",\"key_id\":"), keyId);
        }
        Window window = certificate.faultTolerance().window();
        return new Placed(
                sequence,
                new Version(
                        new RowKey(signed.shardId(), signed.epoch(), signed.pcsId()),
                        json.append('}').toString()),
                new RowMembers(
                        arrivalMillis,
                        isOfOtherContent || window == null ? RowMembers.UNKNOWN : RowMembers.millis(window.end()),
                        RowMembers.kind(kind.label(), regime(answered)),
                        isOfOtherContent ? "" : keyId));
    }

    private static String regime(String answered) {
        int before = answered.indexOf(REGIME);
        int begin = before + REGIME.length();
        return before < 0 ? "" : answered.substring(begin, answered.indexOf('"', begin));
    }

    /** Returns the kind of a reason, the words before its numbers: {@code regime mismatch}. */
    public static String reasonKind(String reason) {
        int numbers = reason.indexOf(": ");
        return numbers < 0 ? reason : reason.substring(0, numbers);
    }

    /** Returns the members of an answer from {@code D_hat} on, and only the beginning of a long reason. */
    private static String answered(String body) {
        String members = body.substring(Math.max(1, body.indexOf(ANSWERED)), body.length() - 1);
        int reason = members.indexOf(REASON) + REASON.length();
        int policy = members.lastIndexOf(POLICY); // not a part of the reason, in which quotes are escaped
        if (!members.contains(REASON) || policy - reason <= MAX_REASON_CHARS) {
            return members;
        }
        return members.substring(0, reason) + shortened(members.substring(reason, policy)) + members.substring(policy);
    }

    /** Returns the beginning of a text; both are JSON strings. */
    private static String shortened(String quoted) {
        String text;
        try {
            text = Json.parse(quoted).textValue();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the reason of an outcome is not a JSON string", e);
        }
        int end = Math.min(text.length(), MAX_REASON_CHARS);
        int whole = Character.isHighSurrogate(text.charAt(end - 1)) ? end - 1 : end;
        return CanonicalString.quote(text.substring(0, whole) + (whole < text.length() ? "…" : ""));
    }

    private static void appendClaims(StringBuilder json, Certificate certificate) {
        SignedFields signed = certificate.signed();
        json.append(CLAIMS)
                .append(CanonicalDouble.print(signed.budget()))
                .append(",\"coh_star\":")
                .append(CanonicalDouble.print(signed.cohStar()))
                .append(",\"r\":")
                .append(CanonicalDouble.print(signed.r()))
                .append(",\"merkle_root\":\"")
                .append(signed.merkleRoot())
                .append('"');
        appendCounts(json, certificate);
        Window window = certificate.faultTolerance().window();
        if (window != null) {
            json.append(",\"window_start\":\"").append(window.start()).append('"');
            json.append(",\"window_end\":\"").append(window.end()).append('"');
        }
    }

    private static void appendCounts(StringBuilder json, Certificate certificate) {
        int before = json.length();
        json.append(",\"N_j\":{");
        String separator = "";
        BoxCounts counts = certificate.counts();
        for (int i = 0; i < counts.scales().size(); i++) {
            CanonicalString.appendQuoted(json.append(separator), counts.scales().get(i));
            json.append(':').append(counts.counts().get(i).longValue());
            separator = ",";
        }
        json.append("},\"scales\":[");
        separator = "";
        for (int scale : certificate.scales()) {
            json.append(separator).append(scale);
            separator = ",";
        }
        json.append(']');
        if (json.length() - before > MAX_COUNTS_CHARS) {
            json.setLength(before);
        }
    }

    static String keyName(long epoch, String pcsId) {
        return KEY_PREFIX + String.format(Locale.ROOT, "%019d/", epoch) + pcsId;
    }

    /**
     * Returns the agent id under which a shard is recorded. This is the shard itself if it is a valid agent id that
     * does not begin with {@code sha256:}, else {@code sha256:} followed by the SHA-256 of the shard in hex.
     */
    static String agentId(String shard) {
        try {
            StateKey.requireAgentId(shard);
            if (!shard.startsWith(HASHED)) {
                return shard;
            }
        } catch (StateException e) {
            // not a valid agent id
        }
        return HASHED + HexFormat.of().formatHex(Sha256.of(shard.getBytes(StandardCharsets.UTF_8)));
    }

    static boolean isHashed(String agentId) {
        return agentId.startsWith(HASHED);
    }

    /**
     * Returns the beginning of a value: the verdict and the members that the answer contained. The members after them,
     * such as the claims, the arrival time and the key, may differ between submissions of the same id.
     */
    static String outcomeIn(String json) {
        int claims = json.indexOf(CLAIMS);
        return json.substring(0, claims >= 0 ? claims : json.indexOf(OTHER_CONTENT));
    }

    /**
     * Returns whether an outcome is a new version of its row. It is one if the row has no version yet, if the members of
     * the answer differ, or if only the new version has the claims.
     *
     * @param before the current version; null if there is none
     */
    public static boolean isChanged(@Nullable String before, String now) {
        return before == null
                || !outcomeIn(before).equals(outcomeIn(now))
                || (isOfOtherContent(before) && !isOfOtherContent(now));
    }

    /**
     * Returns whether a value has {@code other_content} in place of the claims. Another submission of the same id may
     * still provide the claims.
     */
    static boolean isOfOtherContent(String json) {
        return !json.contains(CLAIMS);
    }
}
