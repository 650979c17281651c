// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.flk.copy.kafka.KafkaSettings;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests of the permitted dependencies of the module. */
class ArchitectureTest {
    private static final JavaClasses CLASSES =
            new ClassFileImporter(List.of(new ImportOption.DoNotIncludeTests())).importPackages("dev.flk.copy");

    @Test
    void copy_dependsOnTheLogAndTheProgramOnly_andKnowsNoKafka() {
        classes()
                .that()
                .resideInAPackage("dev.flk.copy")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.flk.copy", "dev.flk.wal..", "dev.flk.program..", "java..", "org.jspecify..", "org.slf4j..")
                .check(CLASSES);
    }

    @Test
    void kafka_dependsOnTheInterfacesOfTopicsAndTheProgramOnly() {
        classes()
                .that()
                .resideInAPackage("dev.flk.copy.kafka")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.flk.copy..",
                        "dev.flk.feed",
                        "dev.flk.program..",
                        "org.apache.kafka..",
                        "java..",
                        "org.jspecify..")
                .check(CLASSES);
    }

    /** Tests that a backend without a copy loads no class of Kafka's client. */
    @Test
    void settings_doNotNeedKafkasClient() {
        noClasses()
                .that()
                .belongToAnyOf(KafkaSettings.class)
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.kafka..")
                .check(CLASSES);
    }

    @Test
    void wallClock_isInjected() {
        noClasses().should().callMethod(Instant.class, "now").check(CLASSES);
        noClasses().should().callMethod(System.class, "currentTimeMillis").check(CLASSES);
    }
}
