{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Where the tree is in the container. `..data` is the link that the kubelet swaps: the tree is behind it. */ -}}
{{- define "gateway.policies" -}}
{{- if eq .Values.policies.source "configMap" }}/etc/gateway/policies/..data
{{- else if eq .Values.policies.source "gitSync" }}/git/current/{{ .Values.policies.gitSync.path }}
{{- else }}/etc/gateway/routing_policies{{ end -}}
{{- end }}

{{- define "gateway.container" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* What cannot work is told before anything is made. */ -}}
{{- define "gateway.check" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) -}}
{{- $keys := .Values.secrets.keys -}}
{{- if not .Values.secrets.existingSecret }}{{ fail "secrets.existingSecret: name the Secret that holds secrets.keys (values.yaml says how to make it)" }}{{ end -}}
{{- if not (has "scrape_token" $keys) }}{{ fail "secrets.keys: scrape_token guards the admin listener, which Prometheus reaches" }}{{ end -}}
{{- if and $several (not (and (has "database_url" $keys) (has "valkey_url" $keys))) }}{{ fail "replicas: several gateways share database_url and valkey_url; add them to the Secret and to secrets.keys, or set replicas to 1" }}{{ end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}{{ fail "autoscaling: minReplicas is above maxReplicas" }}{{ end -}}
{{- if and .Values.providers.keys (not .Values.providers.existingSecret) }}{{ fail "providers.existingSecret: name the Secret that holds providers.keys" }}{{ end -}}
{{- if and (eq .Values.policies.source "configMap") (not (and .Values.policies.configMap.name .Values.policies.configMap.items)) }}{{ fail "policies.configMap: give its name, and items with key and path" }}{{ end -}}
{{- if and (eq .Values.policies.source "gitSync") (not .Values.policies.gitSync.repository) }}{{ fail "policies.gitSync.repository: give the URL of the repository" }}{{ end -}}
{{- if and .Values.policies.publicKeys .Values.extraCatalog }}{{ fail "extraCatalog: it is not signed, so it does not go with policies.publicKeys" }}{{ end -}}
{{- if not (and (lt (int .Values.drainSeconds) (int .Values.graceSeconds)) (lt (int .Values.graceSeconds) (int .Values.terminationSeconds))) }}{{ fail "drainSeconds < graceSeconds < terminationSeconds: each is a part of the next" }}{{ end -}}
{{- if and .Values.networkPolicy.cilium.enabled (not .Values.networkPolicy.cilium.hosts) }}{{ fail "networkPolicy.cilium.hosts: give the hosts of the catalog (`gateway backends hosts --format json`)" }}{{ end -}}
{{- end }}
