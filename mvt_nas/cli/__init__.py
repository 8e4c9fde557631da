"""The command ``mvt-nas``: each verb parses, calls, prints. What is heavy is imported inside the verb."""
