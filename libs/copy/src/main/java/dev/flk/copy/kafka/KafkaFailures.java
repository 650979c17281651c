// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.program.config.Secret;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPidMappingException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.InvalidTxnTimeoutException;
import org.apache.kafka.common.errors.KafkaStorageException;
import org.apache.kafka.common.errors.NetworkException;
import org.apache.kafka.common.errors.NotEnoughReplicasAfterAppendException;
import org.apache.kafka.common.errors.NotEnoughReplicasException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.errors.RecordBatchTooLargeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.UnknownProducerIdException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedSaslMechanismException;
import org.apache.kafka.common.errors.UnsupportedVersionException;

/**
 * The meanings of failures of Kafka's client, with advice. The messages name the brokers and the topic, and contain no
 * secrets. Safe for any thread.
 */
final class KafkaFailures {
    private static final Pattern PASSWORD = Pattern.compile("password\\s*=\\s*\"?([^\"\\s;]+)");
    private static final String NO_ANSWER = "no answer in time; check that the brokers run, that KAFKA_BROKERS names"
            + " them, that KAFKA_SECURITY_PROTOCOL is theirs, and that the addresses that they announce"
            + " (advertised.listeners) can be reached from here";

    private final KafkaSettings settings;
    private final String topic;
    private final TopicCommands commands;
    private final List<String> secrets = new ArrayList<>();

    KafkaFailures(KafkaSettings settings, String topic, TopicCommands commands) {
        this.settings = settings;
        this.topic = topic;
        this.commands = commands;
        for (Secret each : settings.secrets().values()) {
            secrets.add(each.text());
            Matcher password = PASSWORD.matcher(each.text());
            while (password.find()) {
                secrets.add(password.group(1));
            }
        }
    }

    /** Returns a failure for one of Kafka's client. */
    CopyUnavailableException of(Throwable failure) {
        return new CopyUnavailableException(message(meaning(failure)), failure);
    }

    /** Returns a failure that was detected here. */
    CopyUnavailableException of(String what) {
        return new CopyUnavailableException(message(what));
    }

    /** Returns a message that names the brokers and the topic. */
    String message(String what) {
        String text = "Kafka at " + settings.brokers() + ", topic " + topic + ": " + what;
        for (String secret : secrets) {
            text = text.replace(secret, "(secret)");
        }
        return text;
    }

    /** Returns the meaning of the first cause that has one of its own. */
    String meaning(Throwable failure) {
        Throwable last = failure;
        boolean isLate = false;
        for (Throwable each = failure; each != null && each != each.getCause(); each = each.getCause()) {
            String known = known(each);
            if (!known.isEmpty()) {
                return known;
            }
            isLate |= each instanceof RetriableException || each instanceof java.util.concurrent.TimeoutException;
            last = each;
        }
        return isLate ? NO_ANSWER : reason(last) + "; see the logs of the brokers";
    }

    private static String reason(Throwable failure) {
        return failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage();
    }

    private static String deepest(Throwable failure) {
        Throwable deepest = failure;
        while (deepest.getCause() != null && deepest.getCause() != deepest) {
            deepest = deepest.getCause();
        }
        return reason(deepest);
    }

    private String known(Throwable failure) {
        if (failure instanceof SslAuthenticationException) {
            return "the TLS handshake failed: " + deepest(failure)
                    + "; check KAFKA_SSL_TRUSTSTORE_LOCATION, that the brokers accept TLS on this port, and that their"
                    + " certificates are valid and for the names in KAFKA_BROKERS";
        }
        if (failure instanceof SaslAuthenticationException || failure instanceof UnsupportedSaslMechanismException) {
            return "the login failed: " + reason(failure) + "; check KAFKA_SASL_MECHANISM and KAFKA_SASL_JAAS_CONFIG";
        }
        if (failure instanceof AuthorizationException) {
            return "the user may not do this: " + reason(failure) + "; allow it: " + commands.allow();
        }
        if (failure instanceof UnknownTopicOrPartitionException || failure instanceof UnknownTopicIdException) {
            return "the topic does not exist; create it: " + commands.create();
        }
        if (failure instanceof InvalidTopicException || failure instanceof PolicyViolationException) {
            return "the brokers refuse the topic: " + reason(failure);
        }
        if (failure instanceof InvalidReplicationFactorException) {
            return reason(failure) + "; at least " + TopicRules.REPLICAS + " brokers must run";
        }
        if (failure instanceof RecordTooLargeException || failure instanceof RecordBatchTooLargeException) {
            return "an entry is larger than the topic accepts; allow larger ones: "
                    + commands.set("max.message.bytes", TopicRules.MAX_MESSAGE);
        }
        if (failure instanceof NotEnoughReplicasException || failure instanceof NotEnoughReplicasAfterAppendException) {
            return "fewer brokers than min.insync.replicas are in sync; start the others";
        }
        if (failure instanceof OutOfOrderSequenceException
                || failure instanceof InvalidProducerEpochException
                || failure instanceof UnknownProducerIdException
                || failure instanceof InvalidPidMappingException) {
            return "the brokers have lost track of what this backend sent (" + reason(failure)
                    + "); it is sent again by a new producer";
        }
        if (failure instanceof InvalidTxnTimeoutException) {
            return "the brokers accept only shorter transactions; raise their transaction.max.timeout.ms to 60000 or"
                    + " more";
        }
        if (failure instanceof KafkaStorageException) {
            return "a broker can't use its disk; see the logs of the brokers";
        }
        if (failure instanceof UnsupportedVersionException) {
            return "the brokers are too old: " + reason(failure) + "; use version 3.0 or later";
        }
        if (failure instanceof InvalidConfigurationException) {
            return "a client can't be opened: " + reason(failure) + "; check the settings KAFKA_…";
        }
        if (failure instanceof ConfigException || failure instanceof IllegalArgumentException) {
            return reason(failure).contains("No resolvable bootstrap urls")
                    ? "no host name in KAFKA_BROKERS can be resolved; check the names and DNS"
                    : "a client can't be opened: " + deepest(failure) + "; check the settings KAFKA_…";
        }
        if (failure instanceof InterruptException || failure instanceof InterruptedException) {
            return "the wait for an answer was interrupted";
        }
        return failure instanceof NetworkException ? NO_ANSWER : "";
    }
}
